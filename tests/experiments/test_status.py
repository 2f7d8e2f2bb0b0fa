import math
import os
import re
import socket

import pytest

from configs import vae
from experiments import status
from tests.experiments.commands import snapshot
from vae_jax import data, runs
from vae_jax.config import override, resolved_json
from vae_jax.errors import UsageError
from vae_jax.sweeps.population import Population

SHA = data.source("digits").fingerprint


def begun(workdir, seed, *losses, **changes):
    """A run with a line of metrics for each loss."""
    config = override(vae.get_config(), {"seed": seed, "num_epochs": 500, **changes})
    run = runs.find(workdir, config, SHA)
    run.create(resolved_json(config, SHA))
    for epoch, loss in enumerate(losses, 1):
        run.append_metrics({"epoch": epoch, "step": epoch, "seconds": 1.0, "valid/loss": loss})
    return run


def ended(workdir, seed, loss, state="completed", why=(), **changes):
    run = begun(workdir, seed, loss, **changes)
    run.finish({"status": state, "epochs": 1, "valid_loss": loss, "metrics": {}, **dict(why)})
    return run


def held(workdir, seed, holder, *losses, **changes):
    """A run that a process of this machine trains: this one, or its parent."""
    run = begun(workdir, seed, *losses, **changes)
    (run.path / ".lock").write_text(f"{socket.gethostname()} {holder}")
    return run


@pytest.fixture
def workdir(tmp_path):
    """One run of every state, and of the completed ones two kinds."""
    ended(tmp_path, 0, 24.0)
    ended(tmp_path, 1, 23.5)
    ended(tmp_path, 2, 700.0, binarize="threshold")
    ended(tmp_path, 3, 5.0, "diverged", {"diverged_step": 9})
    ended(tmp_path, 4, 6.0, "failed", {"error": "RuntimeError: no more\n memory"})
    begun(tmp_path, 5, 30.0, 29.0)
    held(tmp_path, 6, os.getpid(), 40.0, 39.0, 38.0)
    (begun(tmp_path, 7).path / "config.json").write_text("{}")
    return tmp_path


def test_every_state_is_told(workdir):
    found = {state.fields.get("seed"): state for state in status.read(workdir)}
    states = {seed: state.state for seed, state in found.items()}
    expected = ["completed"] * 3 + ["diverged", "failed", "stopped", "training"]
    assert states == dict(enumerate(expected)) | {None: "damaged"}
    assert (found[6].epoch, found[6].loss) == (3, 38.0)
    assert (found[5].epoch, found[1].loss) == (2, 23.5)


def test_counts_progress_and_the_best_of_each_kind_are_printed(workdir, capsys):
    assert status.main([str(workdir)]) == 0
    first, training, diverged, failed, damaged, *best = capsys.readouterr().out.splitlines()
    told = "3 completed, 1 diverged, 1 failed, 1 training, 1 stopped, 1 damaged, about 3 min left"
    assert first == f"8 runs in {workdir}: {told}"  # 497 epochs of a third of a second
    assert "epoch 3/500  valid 38  " in training
    assert "  diverged at step 9  " in diverged
    assert "  failed: RuntimeError: no more memory  " in failed
    assert re.fullmatch(r"  '(.*)/config.json' is damaged: delete '\1' and run again", damaged)
    assert sorted(line.split()[2] for line in best) == ["23.5", "700"]
    assert "binarize=sampled seed=1" in " ".join(best)


@pytest.mark.parametrize(
    "holders",
    [(f"{os.getpid()} 5", f"{os.getppid()} 5"), (f"{os.getpid()} 5", f"{os.getpid()} 6")],
    ids=["processes", "threads"],
)
def test_runs_that_wait_in_a_launched_sweep_are_told_and_counted_in_the_time_left(tmp_path, capsys, holders):
    held(tmp_path, 0, holders[0], 3.0, 2.0, num_epochs=10)  # two epochs in a second
    held(tmp_path, 1, holders[1], 3.0, 2.0, num_epochs=10)
    configs = [override(vae.get_config(), {"seed": seed, "num_epochs": 10}) for seed in range(4)]
    Population(tuple(configs), (8, 256), 1).write(tmp_path)
    states = status.read(tmp_path)
    assert [state.state for state in states].count("waiting") == 2
    assert {state.fields["seed"] for state in states if state.state == "waiting"} == {2, 3}
    assert status.seconds_left(states) == (8 + 8 + 10 + 10) * 0.5 / 2  # shared by the two
    status.main([str(tmp_path)])
    assert capsys.readouterr().out.startswith(
        f"4 runs in {tmp_path}: 2 training, 2 waiting, about 9 s left\n"
    )


def test_time_left_is_told_only_while_something_trains(tmp_path):
    begun(tmp_path, 0, 3.0)
    assert math.isnan(status.seconds_left(status.read(tmp_path)))


def test_many_failures_are_counted_and_a_few_told(tmp_path, capsys):
    for seed in range(status.SHOWN + 3):
        ended(tmp_path, seed, 1.0, "failed", {"error": "OSError: full"})
    status.main([str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert sum("failed: OSError: full" in line for line in lines) == status.SHOWN
    assert lines[-1] == "  ... and 3 more failed"


def test_nothing_but_the_index_is_written(workdir):
    before = snapshot(workdir)
    status.main([str(workdir)])
    after = snapshot(workdir)
    assert {str(path) for path in after.keys() - before.keys()} == {"index.jsonl"}
    assert {path: after[path] for path in before} == before


def test_watching_ends_when_nothing_trains(workdir, monkeypatch, capsys):
    (held,) = [state.run for state in status.read(workdir) if state.state == "training"]
    monkeypatch.setattr(status.time, "sleep", lambda seconds: (held.path / ".lock").write_text("elsewhere 0"))
    monkeypatch.setattr("vae_jax.runs.time.time", lambda: 1e12)
    assert status.main([str(workdir), "--watch"]) == 0
    assert capsys.readouterr().out.count("8 runs in") == 2


def test_empty_directory_has_no_runs(tmp_path, capsys):
    assert status.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"0 runs in {tmp_path}\n"


def test_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such directory"):
        status.main([str(tmp_path / "none")])


HERE = f"{socket.gethostname()} {os.getpid()}"
HOLDERS = {
    "empty": ("", False),
    "nonsense": ("nonsense", False),
    "away": ("away 1", True),
    "here": (HERE, True),
}


@pytest.mark.parametrize("who", HOLDERS)
def test_who_holds_a_run_is_read_from_its_lock(tmp_path, who):
    holder, held = HOLDERS[who]
    run = begun(tmp_path, 0, 1.0)
    assert not run.holder()
    (run.path / ".lock").write_text(holder)
    assert bool(run.holder()) == held


def test_process_that_is_gone_holds_nothing(tmp_path):
    run = begun(tmp_path, 0, 1.0)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    (run.path / ".lock").write_text(f"{socket.gethostname()} {child}")
    assert not run.holder()
    with run.lock():
        assert run.holder()
