import math
import re
import signal
import time
from collections import Counter

import pytest

from experiments import search
from tests.experiments.commands import assert_same_bits, snapshot, start
from vae_jax import launch, runs
from vae_jax.errors import UsageError

# A user's own config file: the least to compile, and one space.
CONFIG = """
from configs import ae
from vae_jax.sweeps.space import choice, log_uniform, uniform

def get_config(arg=""):
    config = ae.get_config("smoke,linear")
    config.num_epochs = int(arg or 4)
    return config

def search_rate():
    return {"learning_rate": log_uniform(1e-4, 1e-1)}

def search_diverging():
    return {"learning_rate": log_uniform(1e25, 1e30)}

def search_large():
    return {"latent_size": choice(65)}

def search_epochs():
    return {"num_epochs": choice(2, 3)}

def search_words():
    return {"learning_rate": (1e-4, 1e-1)}

def search_nothing():
    return {}

def search_wrong():
    return {"learning_rate": uniform(1, 0)}
"""
ASHA = ("--algorithm=asha", "--trials=4", "--eta=2", "--min_epochs=1")  # 1, 2, 4 epochs


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def workdir(tmp_path):
    return tmp_path / "runs"


def arguments(config, workdir, *more, space="rate"):
    return [f"--config={config}", f"--search={space}", f"--workdir={workdir}", "--executor=local", *more]


def by_budget(workdir):
    """Returns the runs of each budget, 0 for all epochs, the best first."""
    found = {}
    for run in runs.all_runs(workdir):
        found.setdefault(run.config()[0].stop_epoch, []).append(run)
    return {budget: ranked(some) for budget, some in found.items()}


def ranked(some):
    return sorted(some, key=lambda run: run.result()["valid_loss"])


def rate(run):
    return run.config()[0].learning_rate


def without_found(out):
    """What is printed, without what is said of runs that were found done."""
    return re.sub(r"; \d found, finished by \S+ UTC", "", out)


def test_asha_trains_the_best_of_each_rung_on_and_prints_the_best(config, workdir, capsys):
    assert search.main(arguments(config, workdir, *ASHA)) == 0
    found = by_budget(workdir)
    assert {budget: len(some) for budget, some in found.items()} == {1: 4, 2: 2, 0: 1}
    for shorter, longer in ((1, 2), (2, 0)):
        best = found[shorter][: len(found[longer])]
        assert {rate(run) for run in found[longer]} == {rate(run) for run in best}
        lines = {rate(run): run.metrics() for run in best}
        for run in found[longer]:  # one training: it begins with the lines of the shorter one
            assert run.metrics()[: len(lines[rate(run)])] == lines[rate(run)]
    out = capsys.readouterr().out
    assert re.findall(r"(\d) trials? to epoch (\d)", out) == [("4", "1"), ("2", "2"), ("1", "4")]
    longest = {rate(run): run for budget in (1, 2, 0) for run in found[budget]}
    best = ranked(longest.values())
    header, *rows = out[out.index("\ntrial ") + 1 :].splitlines()[:5]
    assert header.split() == ["trial", "learning_rate", "epochs", "valid", "loss", "test/mse", "run"]
    assert [row.split()[-1] for row in rows] == [run.id for run in best]
    assert f"best: --config.learning_rate={rate(best[0])}\n" in out
    assert "4 trials, 7 runs: 8 epochs, 50% of the 16 of every trial to its end" in out
    before = snapshot(workdir)
    assert search.main(arguments(config, workdir, *ASHA)) == 0
    assert snapshot(workdir) == before
    assert without_found(capsys.readouterr().out) == out


@pytest.mark.parametrize("times", [1, 100])
def test_run_that_fails_is_tried_again_before_the_search_goes_on(config, workdir, monkeypatch, times):
    real, failed = launch.finish, []

    def finish(attempt, *rest):
        failing = attempt.config.stop_epoch == 1 and attempt.run.id == (failed or [attempt.run.id])[0]
        if failing and len(failed) < times:
            failed.append(attempt.run.id)
            raise RuntimeError("bad luck")
        return real(attempt, *rest)

    monkeypatch.setattr(launch, "finish", finish)
    assert search.main(arguments(config, workdir, *ASHA)) == (0 if times == 1 else 1)
    assert len(failed) == min(times, search.TRIES)
    assert completed(workdir) == {1: 4 if times == 1 else 3, 2: 2, 0: 1}


def completed(workdir):
    """Returns how many runs of each budget were completed."""
    sound = [run for run in runs.all_runs(workdir) if run.result()["status"] == "completed"]
    return Counter(run.config()[0].stop_epoch for run in sound)


def test_killed_search_is_continued_by_the_same_command(config, workdir, tmp_path):
    argv = arguments(f"{config}:60", workdir, *ASHA[:3], "--min_epochs=15", "--batch=4")
    with start("-m", "experiments.search", *argv) as process:
        while process.poll() is None and len(list(workdir.glob("*/result.json"))) < 5:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in workdir.glob("*/result.json")}
    assert 4 < len(done) < 7
    assert search.main(argv) == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done
    undisturbed = tmp_path / "undisturbed"
    search.main([*argv, f"--workdir={undisturbed}"])
    assert [run.id for run in runs.all_runs(workdir)] == [run.id for run in runs.all_runs(undisturbed)]
    for run, other in zip(runs.all_runs(workdir), runs.all_runs(undisturbed), strict=True):
        assert_same_bits(run, other)


def test_more_trials_take_over_what_is_there(config, workdir):
    argv = arguments(config, workdir, "--algorithm=random", "--config.num_epochs=1")
    search.main([*argv, "--trials=2"])
    before = {path: file for path, file in snapshot(workdir).items() if path.name != "schedules.jsonl"}
    assert search.main([*argv, "--trials=3"]) == 0
    after = snapshot(workdir)
    assert {path: after[path] for path in before} == before
    assert len(by_budget(workdir)[0]) == 3


def test_optuna_repeated_finds_its_runs_again(config, workdir, capsys):
    pytest.importorskip("optuna")
    argv = arguments(config, workdir, "--algorithm=optuna", "--batch=2", "--config.num_epochs=1")
    search.main([*argv, "--trials=4"])
    first = capsys.readouterr().out
    before = snapshot(workdir)
    assert len(by_budget(workdir)[0]) == 4
    assert search.main([*argv, "--trials=4"]) == 0
    assert snapshot(workdir) == before
    assert without_found(capsys.readouterr().out) == first


def test_search_whose_trials_all_diverge_says_so(config, workdir, capsys):
    assert search.main(arguments(config, workdir, *ASHA, space="diverging")) == 1
    assert by_status(workdir) == {"diverged"}
    assert len(runs.all_runs(workdir)) == 4  # none of them goes on
    assert "no trial was completed\n" in capsys.readouterr().out


def by_status(workdir):
    return {run.result()["status"] for run in runs.all_runs(workdir)}


def test_dry_run_says_what_all_would_take_and_writes_nothing(config, workdir, capsys):
    assert search.main(arguments(config, workdir, *ASHA, "--dry_run")) == 0
    assert not workdir.exists()
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first == (
        "4 trials: about 4 to epoch 1, 2 to epoch 2, 1 to epoch 4; "
        "8 epochs, 50% of the 16 of every trial to its end"
    )
    assert [row.split()[1] for row in rows[:4]] == ["new"] * 4
    assert " programs to compile, " in rows[-1]


WRONG = {
    "search": (["--search=rates"], "unknown search 'rates': choose from .*did you mean 'rate'"),
    "algorithm": (
        ["--algorithm=ahsa"],
        "unknown algorithm 'ahsa': choose from asha, optuna, random; did you",
    ),
    "executor": (["--executor=loca"], "unknown executor 'loca'"),
    "trials": (["--trials=0"], "--trials must be from 1 to .*, not 0"),
    "batch": (["--batch=0"], "--batch must be from 1 to .*, not 0"),
    "seed": (["--seed=-1"], "--seed must be from 0 to .*, not -1"),
    "text": (["--trials=many"], "--trials: invalid int value: 'many'"),
    "eta": (["--algorithm=asha", "--eta=1"], "eta must be from 2 to 4"),
    "min_epochs": (["--algorithm=asha", "--min_epochs=3"], "min_epochs must be from 1 to 1,"),
    "few trials": (["--algorithm=asha", "--trials=2", "--eta=2"], "2 trials are too few for 3 rungs"),
    "eta of random": (["--eta=3"], "--eta is for --algorithm=asha alone"),
    "field of the search": (
        ["--config.learning_rate=1"],
        "--config.learning_rate cannot be set here: the search",
    ),
    "impossible config": (["--search=large"], "latent_size must be at most 64"),
    "epochs": (["--search=epochs"], "num_epochs cannot be searched"),
    "no space": (["--search=words"], "search 'words': .*'learning_rate' needs uniform"),
    "empty space": (["--search=nothing"], "search 'nothing' is empty"),
    "empty interval": (["--search=wrong"], "from a number to a larger one, not from 1 to 0"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_bad_argument_is_refused_and_leaves_nothing_behind(config, workdir, kind):
    more, message = WRONG[kind]
    with pytest.raises(UsageError, match=message):
        search.main(arguments(config, workdir, "--algorithm=random", *more))
    assert list(config.parent.iterdir()) == [config]


def test_loss_of_what_did_not_complete_is_the_worst(tmp_path):
    run = runs.Run(tmp_path / "run")
    outcomes = [
        search.Outcome(run, status, {"valid_loss": found})
        for status, found in (("completed", 1.5), ("completed", None), ("diverged", 0.1), ("failed", None))
    ]
    assert [search.loss(outcome) for outcome in outcomes] == [1.5, math.inf, math.inf, math.inf]
