import dataclasses
import io
import math
import sys
import threading

import pytest
from rich.console import Console

from configs import vae
from experiments import live, watch
from experiments.watch import Tally, View, duration, line
from vae_jax import data, sweeps
from vae_jax.config import override, resolved_json
from vae_jax.launch import Outcome

NAN = float("nan")


def plan(workdir, *changes):
    configs = [override(vae.get_config(), {"num_epochs": 10, **change}) for change in changes]
    return sweeps.plan(configs, workdir)


def named(planned):
    return {entry.run.id: f"seed={entry.config.seed}" for entry in planned}


def losses(loss):
    return {"train/loss": loss - 1, "valid/loss": loss}


@pytest.fixture
def planned(tmp_path):
    return plan(tmp_path, *({"seed": seed} for seed in range(3)))


@pytest.fixture
def view(planned):
    view = View(planned, named(planned))
    with view.shown():
        yield view


@pytest.fixture
def clock(monkeypatch):
    """What time it is, set by hand."""
    now = [1000.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_is_printed_now_and_then(planned, clock, capsys):
    view = View(planned, named(planned))
    one, two, three = (entry.run for entry in planned)
    with view.shown():
        clock[0] += watch.LINE_SECONDS - 1  # it compiles, which says nothing of the time left
        view.epoch(one, 1, losses(7.0))
        assert capsys.readouterr().err == ""
        clock[0] += 18
        view.epoch(two, 9, losses(5.0))
        told = capsys.readouterr().err
        assert told == "0/3 runs, 2 running, 10/30 epochs, about 40 s left, best valid 5 (seed=1)\n"
        view.end(Outcome(one, "diverged", {}))  # after one epoch: nine are not to come
        view.end(Outcome(two, "completed", {}))
        clock[0] += watch.LINE_SECONDS + 1
        view.epoch(three, 5, losses(NAN))
        told = capsys.readouterr().err
        expected = "2/3 runs, 1 diverged, 1 running, 15/20 epochs, about 18 s left, best valid 5 (seed=1)\n"
        assert told == expected


def test_outcomes_are_kept_in_order(view, planned):
    outcomes = [Outcome(entry.run, "completed", {}) for entry in planned]
    for outcome in outcomes:
        view.end(outcome)
    assert view.outcomes == outcomes


def test_in_a_terminal_there_are_no_lines(planned, clock, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    view = View(planned, named(planned))
    clock[0] += 1000
    view.epoch(planned[0].run, 1, losses(1.0))
    assert capsys.readouterr().err == ""


def test_every_run_is_counted_once(planned):
    tally = Tally(planned, named(planned))
    assert tally.counts() == {"completed": 0, "diverged": 0, "failed": 0, "running": 0, "waiting": 3}
    one, two, _ = (entry.run for entry in planned)
    tally.epoch(one, 1, losses(2.0))
    tally.epoch(one, 2, losses(1.0))
    tally.end(Outcome(two, "failed", {}))
    assert tally.counts() == {"completed": 0, "diverged": 0, "failed": 1, "running": 1, "waiting": 1}
    tally.end(Outcome(one, "completed", {"valid_loss": 1.0}))
    assert tally.counts() == {"completed": 1, "diverged": 0, "failed": 1, "running": 0, "waiting": 1}


def test_run_that_is_over_does_not_run_again_when_its_population_is_told_anew(tmp_path):
    planned = plan(tmp_path, {"seed": 0}, {"seed": 1})
    before, now = dataclasses.replace(planned[0], state="completed"), planned[1]
    tally = Tally([before, now], named(planned))
    tally.end(Outcome(before.run, "completed", {}))
    tally.epoch(now.run, 10, losses(1.0))
    tally.end(Outcome(now.run, "completed", {}))
    for entry in (before, now):
        tally.epoch(entry.run, 9, losses(1.0))
    assert tally.counts() == {"completed": 2, "diverged": 0, "failed": 0, "running": 0, "waiting": 0}
    assert (tally.done, tally.total) == (10, 10)


def test_run_that_failed_in_one_worker_and_was_completed_by_the_next_counts_once(planned):
    tally, run = Tally(planned, named(planned)), planned[0].run
    tally.end(Outcome(run, "failed", {}))
    tally.end(Outcome(run, "completed", {}))
    assert [outcome.status for outcome in tally.outcomes] == ["completed"]
    assert tally.counts() == {"completed": 1, "diverged": 0, "failed": 0, "running": 0, "waiting": 2}


def test_best_is_told_for_each_kind_of_loss(tmp_path):
    planned = plan(tmp_path, {"seed": 0}, {"seed": 1}, {"seed": 2, "beta": 4.0})
    tally = Tally(planned, named(planned))
    for entry, loss in zip(planned, (7.0, 5.0, 60.0), strict=True):
        tally.epoch(entry.run, 1, losses(loss))
        tally.epoch(entry.run, 2, losses(NAN))
    found = {best.run.id: best.loss for best in tally.best.values()}
    assert found == {planned[1].run.id: 5.0, planned[2].run.id: 60.0}


def test_run_that_was_finished_before_can_be_the_best(planned):
    tally = Tally(planned, named(planned))
    tally.end(Outcome(planned[0].run, "completed", {"valid_loss": 3.0}))
    tally.epoch(planned[1].run, 1, losses(4.0))
    (best,) = tally.best.values()
    assert best == (3.0, planned[0].run)


def test_epochs_of_an_earlier_launch_are_done_but_say_nothing_of_the_speed(tmp_path, clock):
    (new,) = plan(tmp_path, {"seed": 0})
    new.run.create(resolved_json(new.config, data.source("digits").fingerprint))
    for epoch in range(1, 7):
        new.run.append_metrics({"epoch": epoch})
    (entry,) = plan(tmp_path, {"seed": 0})
    tally = Tally([entry], {})
    assert tally.done == 6
    tally.epoch(entry.run, 5, losses(1.0))  # from its checkpoint on
    clock[0] += 2
    tally.epoch(entry.run, 6, losses(1.0))
    assert (tally.done, tally.total, tally.speed(), tally.seconds_left()) == (6, 10, 0.5, 8.0)


def many(workdir, count):
    planned = plan(workdir, *({"seed": seed} for seed in range(count)))
    names = {
        entry.run.id: f"a_field_of_a_long_name=0.123456789 seed={entry.config.seed}" for entry in planned
    }
    return planned, Tally(planned, names)


@pytest.mark.parametrize("width", [60, 200])
def test_live_view_fits_the_terminal(tmp_path, clock, width):
    planned, tally = many(tmp_path, 30)
    for epoch in (1, 2):
        for entry in planned[:20]:
            tally.epoch(entry.run, epoch, losses(1000.0 + entry.config.seed / 7))
        clock[0] += 10
    tally.end(Outcome(planned[0].run, "failed", {}))
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(live.view(tally))
    told = console.file.getvalue().splitlines()
    assert max(map(len, told)) <= width
    assert told[0] == "30 runs: 0 completed, 1 failed, 19 running, 10 waiting"
    assert told[1].endswith("40/292 epochs  14%")
    rows = [text for text in told if " 2/10 " in text]
    assert [text.split()[0] for text in rows] == [entry.run.id for entry in planned[1:9]]
    assert "... and 11 more" in told
    assert told[-1].startswith(f"best valid 1000  {planned[0].run.id}")
    assert ("seed=0" in told[-1]) == (width == 200)


def test_live_view_of_a_sweep_that_has_not_begun(tmp_path):
    _, tally = many(tmp_path, 3)
    console = Console(file=io.StringIO(), width=80)
    tally.planned_seconds = 600.0
    console.print(live.view(tally))
    told = console.file.getvalue()
    assert "3 runs: 0 completed, 0 running, 3 waiting" in told
    assert "measuring the speed and compiling, planned 10 min" in told


def test_terminal_is_left_as_it_was_after_an_interruption(tmp_path):
    _, tally = many(tmp_path, 3)
    console = Console(file=io.StringIO(), width=80, force_terminal=True)

    def interrupted():
        with live.drawn(tally, threading.Lock(), console):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    written = console.file.getvalue()
    shown = written.rindex("3 runs")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # the cursor is there again
    assert written[shown:].count("\x1b[2K") >= 3  # and the lines are erased


def test_line_without_a_speed_says_nothing_of_the_time(planned):
    tally = Tally(planned, named(planned))
    assert line(tally) == "0/3 runs, 0 running, 0/30 epochs"
    assert math.isnan(tally.seconds_left())


def test_durations():
    assert [duration(s) for s in (0, 89, 600, 9000)] == ["0 s", "89 s", "10 min", "2.5 h"]
