import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import types

import pytest

from configs import vae
from vae_jax import data, runs
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.launch import HELD, quiet
from vae_jax.paths import locked
from vae_jax.runs import all_runs
from vae_jax.sweeps import Place, execute, executor, local, population, processes, worker
from vae_jax.sweeps.backlog import Backlog
from vae_jax.sweeps.population import Population

SMALL = {"latent_size": 2, "bottleneck_width": 4, "num_epochs": 3, "evaluation.iwae_samples": 2}
BASE = override(vae.get_config(), SMALL)
CONFIGS = [override(BASE, {"seed": seed}) for seed in range(4)]
CONFIGS += [override(BASE, {"learning_rate": 1e10}), override(BASE, {"latent_size": 3})]
POPULATIONS = [
    Population(tuple(CONFIGS[:2]), (2, 4), 2),
    Population(tuple(CONFIGS[2:4]), (2, 4), 2),
    Population(tuple(CONFIGS[4:]), (3, 4), 2),
]


EXECUTORS = ["local:1", "local:2", "processes:2"]
SUBMITIT = "submitit:cluster=local,jobs=2,timeout_min=5"  # what SLURM would do, by processes of this machine


def execute_all(name, workdir, show=quiet):
    return list(executor(name, workdir).execute(POPULATIONS, Place(workdir), show))


def run_at(workdir, config):
    return runs.find(workdir, config, data.source("digits").fingerprint)


@contextlib.contextmanager
def others_done(workdir, name):
    """Yields the outcomes still to come, and the run that another process trains: all others have ended."""
    held = run_at(workdir, CONFIGS[0])
    held.path.mkdir()
    with held.lock():
        outcomes = executor(name, workdir).execute(POPULATIONS, Place(workdir), quiet)
        done = list(itertools.islice(outcomes, len(CONFIGS) - 1))
        assert held.id not in {outcome.run.id for outcome in done}
        assert {outcome.status for outcome in done} == {"completed", "diverged"}
        assert not held.exists
        yield outcomes, held


def numbers(run):
    result = run.result()
    lines = [{n: v for n, v in line.items() if n != "seconds"} for line in run.metrics()]
    return result["status"], result["metrics"], lines


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The work directory of an execution in this process, one population after another."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    execute_all("local:1", workdir)
    return workdir


@pytest.fixture(scope="module")
def undisturbed(finished):
    return {run.id: numbers(run) for run in all_runs(finished)}


@pytest.mark.parametrize("name", [*EXECUTORS, pytest.param(SUBMITIT, marks=pytest.mark.slow)])
def test_every_executor_ends_every_run_with_the_same_bits(undisturbed, tmp_path, name):
    if name == SUBMITIT:
        pytest.importorskip("submitit", reason="needs the extra [submitit]")
    epochs = {}

    def show(run, epoch, metrics):
        assert "train/loss" in metrics
        epochs[run.id] = max(epoch, epochs.get(run.id, 0))

    outcomes = execute_all(name, tmp_path, show)
    assert sorted(outcome.run.id for outcome in outcomes) == sorted(undisturbed)
    assert sorted(outcome.status for outcome in outcomes) == ["completed"] * 5 + ["diverged"]
    for outcome in outcomes:
        assert outcome.run.path.parent == tmp_path
        assert numbers(outcome.run) == undisturbed[outcome.run.id]
        assert outcome.result["status"] == outcome.status
    assert epochs.keys() == undisturbed.keys()
    assert not list((tmp_path / population.FOLDER).iterdir())


def test_population_whose_process_is_killed_is_taken_up_again(undisturbed, tmp_path, monkeypatch):
    started, killed = [], []
    start = subprocess.Popen

    def note(*arguments, **options):
        started.append(start(*arguments, **options))
        return started[-1]

    def kill_once(run, epoch, metrics):
        if not killed:
            killed.append(started[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(processes.subprocess, "Popen", note)
    outcomes = execute_all("processes:2", tmp_path, kill_once)
    assert killed
    assert len(started) == 3  # two that stay for all populations, one in the place of the killed one
    assert sorted(outcome.run.id for outcome in outcomes) == sorted(undisturbed)
    for outcome in outcomes:
        assert numbers(outcome.run) == undisturbed[outcome.run.id]


def test_population_whose_process_dies_every_time_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "COMMAND", ["-c", "raise SystemExit(3)"])
    outcomes = execute_all("processes:2", tmp_path)
    assert {outcome.status for outcome in outcomes} == {"failed"}
    assert len(outcomes) == len(CONFIGS)
    assert {str(outcome.error) for outcome in outcomes} == {
        "its process died 3 times without getting any further"
    }


class Held(execute.Remote):
    """Workers that find the run held, each time, and die where it is let go."""

    slots, started = 1, 0

    def start(self, order):
        self.started += 1
        if self.started <= 2 * execute.TRIES:
            tell(order, population.read(pathlib.Path(order.population)).run_ids(), HELD)
        return types.SimpleNamespace(running=lambda: False, stop=lambda: None)


def tell(order, run_ids, status):
    path = pathlib.Path(order.told)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        for run_id in run_ids:
            file.write(json.dumps({"run": run_id, "status": status, "result": {}, "error": None}) + "\n")


def test_waiting_for_another_process_is_no_death(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "LOOK_SECONDS", 0.0)
    held = Held()
    (outcome,) = held.execute([Population((BASE,), (2, 4), 1)], Place(tmp_path), quiet)
    assert held.started == 3 * execute.TRIES
    assert str(outcome.error) == "its process died 3 times without getting any further"


class Mortal(execute.Remote):
    """Workers that each tell the end of one run more, and die."""

    slots, told = 1, 0

    def start(self, order):
        self.told += 1
        of_order = population.read(pathlib.Path(order.population))
        tell(order, sorted(of_order.run_ids())[: self.told], "completed")
        return types.SimpleNamespace(running=lambda: False, stop=lambda: None)


def test_population_that_gets_further_each_time_is_not_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "LOOK_SECONDS", 0.0)
    seeds = tuple(override(BASE, {"seed": seed}) for seed in range(2 * execute.TRIES))
    mortal = Mortal()
    outcomes = list(mortal.execute([Population(seeds, (2, 4), 2)], Place(tmp_path), quiet))
    assert {outcome.status for outcome in outcomes} == {"completed"}
    assert len({outcome.run.id for outcome in outcomes}) == mortal.told == len(seeds)


@pytest.mark.parametrize("name", EXECUTORS)
def test_failure_is_told_and_does_not_stop_the_others(undisturbed, tmp_path, name):
    damaged = run_at(tmp_path, CONFIGS[1])
    damaged.path.mkdir()
    (damaged.path / "config.json").write_text("{}")
    outcomes = {outcome.run.id: outcome for outcome in execute_all(name, tmp_path)}
    failed = outcomes.pop(damaged.id)
    assert failed.status == "failed"
    assert f"'{damaged.path / 'config.json'}' is damaged" in str(failed.error)
    assert {outcome.status for outcome in outcomes.values()} == {"completed", "diverged"}
    # Its population stays, to be taken up when the damage is mended.
    (left,) = (tmp_path / population.FOLDER).glob("*.json")
    assert population.read(left).run_ids() == POPULATIONS[0].run_ids()


def test_outcome_is_told_as_soon_as_there_is_one(tmp_path):
    outcomes = executor("local:1", tmp_path).execute(POPULATIONS, Place(tmp_path), quiet)
    next(outcomes)
    assert len(all_runs(tmp_path)) < len(CONFIGS)
    outcomes.close()


def test_several_populations_train_at_the_same_time(tmp_path, monkeypatch):
    beginning, real = threading.Barrier(2, timeout=60), local.launch

    def launch_together(*arguments):
        beginning.wait()  # an error, where there is but one at a time
        yield from real(*arguments)

    monkeypatch.setattr(local, "launch", launch_together)
    both = executor("local:2", tmp_path)
    outcomes = list(both.execute(POPULATIONS[:2], Place(tmp_path), quiet))
    assert [outcome.status for outcome in outcomes] == ["completed"] * 4


def no_data(*arguments):
    raise UsageError("no data")
    yield


def test_what_is_wrong_with_a_population_is_told_of_all_its_runs_and_stops_no_other(tmp_path, monkeypatch):
    real = population.launch_together
    of_other_sizes = POPULATIONS[2].task
    monkeypatch.setattr(
        population,
        "launch_together",
        lambda attempts, task, *rest: (no_data if task == of_other_sizes else real)(attempts, task, *rest),
    )
    outcomes = {outcome.run.id: outcome for outcome in execute_all("local:2", tmp_path)}
    failed = {run_id for run_id, outcome in outcomes.items() if str(outcome.error) == "no data"}
    assert failed == POPULATIONS[2].run_ids()
    assert {outcomes[run_id].status for run_id in outcomes.keys() - failed} == {"completed"}


def test_worker_tells_what_is_wrong_with_a_population(tmp_path, monkeypatch):
    monkeypatch.setattr(population, "launch_together", no_data)
    told = tmp_path / "told.jsonl"
    worker.work(str(POPULATIONS[0].write(tmp_path)), str(told), "", "processes", [])
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert {line["run"] for line in lines} == POPULATIONS[0].run_ids()
    assert {(line["status"], *line["error"]) for line in lines} == {("failed", "UsageError", "no data")}


def test_error_in_a_thread_is_an_error_of_the_execution(tmp_path, monkeypatch):
    def broken(*arguments):
        raise UsageError("no data")

    monkeypatch.setattr(local, "launch", broken)
    with pytest.raises(UsageError, match="no data"):
        execute_all("local:2", tmp_path)


def test_interrupt_does_not_wait_for_a_population_that_another_process_trains(tmp_path):
    POPULATIONS[0].write(tmp_path)
    with locked(POPULATIONS[0].lock(tmp_path)):
        outcomes = executor("local:2", tmp_path).execute(POPULATIONS[:2], Place(tmp_path), quiet)
        next(outcomes)
        outcomes.close()
    assert not [thread for thread in threading.enumerate() if thread.daemon and thread.name == local.THREAD]


@pytest.mark.parametrize("name", EXECUTORS)
def test_run_that_another_process_finishes_is_found(finished, tmp_path, capfd, name):
    with others_done(tmp_path, name) as (outcomes, held):
        trained = run_at(finished, CONFIGS[0])
        shutil.copytree(trained.path, held.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".lock"))
        (outcome,) = outcomes  # though the lock is not let go
    assert (outcome.run, outcome.status) == (held, "completed")
    assert numbers(held) == numbers(trained)
    assert outcome.result == held.result()
    assert not list((tmp_path / population.FOLDER).iterdir())
    told = f"run '{held.path}' is being trained by another process: waiting for it\n"
    assert capfd.readouterr().err in ("", told)  # said once, if ever: it may be found at the first look


@pytest.mark.parametrize("name", EXECUTORS)
def test_run_that_another_process_lets_go_of_is_taken_over(undisturbed, tmp_path, name):
    with others_done(tmp_path, name) as (outcomes, held):
        others = [run.path / "metrics.jsonl" for run in all_runs(tmp_path) if run != held]
        before = [path.stat().st_mtime_ns for path in others]
    outcomes = {outcome.run.id: outcome for outcome in outcomes}  # those of its population are told again
    outcome = outcomes[held.id]
    assert outcomes.keys() == POPULATIONS[0].run_ids()
    assert (outcome.run, outcome.status) == (held, "completed")
    for metric, value in undisturbed[held.id][1].items():
        assert outcome.result["metrics"][metric] == pytest.approx(value, rel=1e-3)
    assert [path.stat().st_mtime_ns for path in others] == before
    assert not list((tmp_path / population.FOLDER).iterdir())


def test_interrupt_does_not_wait_for_a_run_that_another_process_trains(tmp_path):
    with others_done(tmp_path, "local:2") as (outcomes, _):
        outcomes.close()
    assert not [thread for thread in threading.enumerate() if thread.daemon and thread.name == local.THREAD]


@pytest.mark.parametrize("name", EXECUTORS)
def test_interrupt_stops_them_all_and_leaves_no_process(tmp_path, name):
    def interrupt(run, epoch, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute_all(name, tmp_path, interrupt)
    for run in all_runs(tmp_path):
        with run.lock():  # nobody holds it
            pass


def test_free_population_is_taken_before_one_that_another_process_trains(tmp_path, capsys):
    backlog = Backlog(POPULATIONS, tmp_path)
    POPULATIONS[0].write(tmp_path)
    with locked(POPULATIONS[0].lock(tmp_path)):
        assert POPULATIONS[0].is_held(tmp_path)
        assert backlog.take() == POPULATIONS[1]
        assert backlog.take() == POPULATIONS[2]
        assert capsys.readouterr().err == ""
        assert backlog.take() is None
        assert backlog.take() is None
    told = f"another process trains population {POPULATIONS[0].id}: waiting for it\n"
    assert capsys.readouterr().err == told  # once
    assert not POPULATIONS[0].is_held(tmp_path)
    assert backlog.take() == POPULATIONS[0]
    assert not backlog


def test_population_that_was_put_off_comes_after_the_others_and_when_one_of_its_runs_is_let_go(
    tmp_path, capsys
):
    backlog = Backlog(POPULATIONS[:2], tmp_path)
    held = backlog.take().runs(tmp_path)
    with contextlib.ExitStack() as one, contextlib.ExitStack() as other:
        for stack, run in zip((one, other), held.values(), strict=True):
            run.path.mkdir()
            stack.enter_context(run.lock())
        backlog.put_off(POPULATIONS[0], held, failed=False)
        assert backlog.take() == POPULATIONS[1]
        assert backlog.take() is None
        first, _ = held.values()
        told = f"run '{first.path}' is being trained by another process: waiting for it and 1 more\n"
        assert capsys.readouterr().err == told
        assert list(backlog.found()) == []
        other.close()
        assert backlog.take() == POPULATIONS[0]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cluster", "unknown executor 'cluster': choose from local, processes, ray, submitit"),
        ("local:0", "executor 'local' takes a number from 1 to 10,000, not '0'"),
        ("processes:two", "executor 'processes' takes a number from 1 to 10,000, not 'two'"),
    ],
)
def test_bad_executor_is_one_line(tmp_path, spec, message):
    with pytest.raises(UsageError, match=message):
        executor(spec, tmp_path)
