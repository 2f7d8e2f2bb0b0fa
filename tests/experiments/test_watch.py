import sys

import pytest

from configs import vae
from experiments import watch
from experiments.watch import View
from vae_jax import sweeps
from vae_jax.config import override
from vae_jax.launch import Outcome


@pytest.fixture
def planned(tmp_path):
    configs = [override(vae.get_config(), {"seed": seed, "num_epochs": 10}) for seed in range(3)]
    return sweeps.plan(configs, tmp_path)


@pytest.fixture
def view(planned):
    view = View(planned, {entry.run.id: f"seed={entry.config.seed}" for entry in planned})
    with view.shown():
        yield view


@pytest.fixture
def clock(monkeypatch):
    """What time it is, set by hand."""
    now = [1000.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_is_printed_now_and_then(planned, clock, capsys):
    view = View(planned, {entry.run.id: f"seed={entry.config.seed}" for entry in planned})
    one, two, three = (entry.run for entry in planned)
    with view.shown():
        view.epoch(one, 1, {"valid/loss": 7.0})
        assert capsys.readouterr().err == ""
        clock[0] += watch.LINE_SECONDS + 1
        view.epoch(two, 9, {"valid/loss": 5.0})
        line = capsys.readouterr().err
        assert line == "0/3 runs, 2 running, about 62 s left, best valid 5 (seed=1)\n"
        view.end(Outcome(one, "diverged", {}))  # after one epoch: nine are not to come
        view.end(Outcome(two, "completed", {}))
        clock[0] += watch.LINE_SECONDS + 1
        view.epoch(three, 5, {"valid/loss": float("nan")})
        told = capsys.readouterr().err
        assert told == "2/3 runs, 1 diverged, 1 running, about 21 s left, best valid 5 (seed=1)\n"


def test_outcomes_are_kept_in_order(view, planned):
    outcomes = [Outcome(entry.run, "completed", {}) for entry in planned]
    for outcome in outcomes:
        view.end(outcome)
    assert view.outcomes == outcomes


def test_in_a_terminal_there_are_no_lines(planned, clock, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(View, "_bar", lambda *told: None, raising=False)
    view = View(planned, {entry.run.id: "" for entry in planned})
    clock[0] += 1000
    view.epoch(planned[0].run, 1, {"valid/loss": 1.0})
    assert capsys.readouterr().err == ""
