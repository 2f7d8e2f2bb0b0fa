import signal
import time

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments import cli, train
from tests.experiments.commands import VAE, assert_same_bits, command, only_run, python, start
from vae_jax import checkpoints, data, launch, pool, runs
from vae_jax.errors import UsageError

EPOCHS = 10
# Draws its images, its codes and its batches; the weight of the KL term depends on the step.
FLAGS = [f"--config={VAE}", f"--config.num_epochs={EPOCHS}", "--config.kl_warmup_epochs=4"]

# A process that kills itself where no signal from outside could be aimed.
DYING = """
import itertools, os, signal
from experiments import cli, train
from vae_jax import checkpoints, evaluate, pool, runs

def die_at(number, function):
    calls = itertools.count(1)
    def dying(*arguments, **options):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return dying

pool.CHECKPOINT_SECONDS, pool.CHECKPOINT_SHARE = {seconds}, float("inf")
{owner}.{name} = die_at({number}, {owner}.{name})
cli.run(train.main)
"""
MOMENTS = {
    "before the first line": ("runs.Run", "append_metrics", 1, 0.0),
    "before the first checkpoint": ("runs.Run", "append_metrics", 6, 3600.0),
    "between two checkpoints": ("runs.Run", "append_metrics", 6, 0.0),
    "while a checkpoint is written": ("checkpoints", "write_whole", 4, 0.0),
    "before a written file has its name": ("os", "replace", 4, 0.0),
    "after the training": ("evaluate", "evaluate", 1, 0.0),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nothing stopped."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    assert train.main([*FLAGS, f"--workdir={workdir}"]) == 0
    return only_run(workdir)


@pytest.fixture
def always_save(monkeypatch):
    monkeypatch.setattr(pool, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(pool, "CHECKPOINT_SHARE", float("inf"))


def killed(workdir, moment):
    owner, name, number, seconds = MOMENTS[moment]
    dead = python(
        "-c",
        DYING.format(owner=owner, name=name, number=number, seconds=seconds),
        *FLAGS,
        f"--workdir={workdir}",
    )
    assert (dead.returncode, dead.stderr) == (-signal.SIGKILL, "")
    run = only_run(workdir)
    assert run.result() is None
    return run


def interrupted(workdir, epoch):
    """A run stopped in this process at the end of an epoch, with a checkpoint of every one before."""

    def show(run, at, metrics):
        if at == epoch:
            raise KeyboardInterrupt

    _, config = cli.load_config(VAE, {"num_epochs": str(EPOCHS), "kl_warmup_epochs": "4"})
    with pytest.raises(KeyboardInterrupt):
        launch.launch(config, workdir, show=show)
    return runs.find(workdir, config, data.source("digits").fingerprint)


def damage(checkpoint):
    """Changes one bit."""
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)


def assert_tensorboard_shows_each_step_once(run):
    events = EventAccumulator(str(run.path)).Reload()
    by_epoch = {name for name in run.metrics()[0] if "/" in name}
    at_the_end = {*run.result()["metrics"], "valid/best_loss"}
    assert set(events.Tags()["scalars"]) == by_epoch | at_the_end
    assert all([point.step for point in events.Scalars(name)] == [EPOCHS] for name in at_the_end)
    for name in by_epoch:
        points = events.Scalars(name)
        assert [point.step for point in points] == list(range(1, EPOCHS + 1))
        assert [point.value for point in points] == pytest.approx(
            [line[name] for line in run.metrics()], rel=1e-6
        )
    assert [image.step for image in events.Images("valid/reconstructions")] == [EPOCHS]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_run_goes_on_to_the_same_bits(undisturbed, tmp_path, always_save, moment):
    run = killed(tmp_path, moment)
    assert train.main([*FLAGS, f"--workdir={tmp_path}"]) == 0
    assert_same_bits(run, undisturbed)
    assert_tensorboard_shows_each_step_once(run)
    # Nothing half written stays behind.
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.npz"]


# A process with time enough between two epochs to be killed there.
SLOW = """
import time
from experiments import cli, train
from vae_jax import pool, runs

pool.CHECKPOINT_SECONDS, pool.CHECKPOINT_SHARE = 0.0, float("inf")
append = runs.Run.append_metrics
runs.Run.append_metrics = lambda run, line: (time.sleep(0.2), append(run, line))[-1]
cli.run(train.main)
"""


@pytest.mark.slow
def test_run_killed_twice_from_outside_goes_on_to_the_same_bits(undisturbed, tmp_path):
    for lines in (2, 5):
        with start("-c", SLOW, *FLAGS, f"--workdir={tmp_path}") as process:
            while process.poll() is None and number_of_lines(tmp_path) < lines:
                time.sleep(0.001)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    run = only_run(tmp_path)
    assert run.result() is None
    assert checkpoints.saved(run.checkpoints)
    done = command("train", *FLAGS, f"--workdir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert_same_bits(run, undisturbed)


def number_of_lines(workdir):
    return sum(path.read_text().count("\n") for path in workdir.glob("*/metrics.jsonl"))


def test_checkpoint_spares_the_epochs_before_it(tmp_path, always_save, monkeypatch):
    interrupted(tmp_path, 7)
    trained = []
    append = runs.Run.append_metrics
    monkeypatch.setattr(
        runs.Run, "append_metrics", lambda run, line: (trained.append(line["epoch"]), append(run, line))[-1]
    )
    assert train.main([*FLAGS, f"--workdir={tmp_path}"]) == 0
    assert trained == [7, 8, 9, 10]


def test_line_cut_short_by_a_kill_is_written_again(undisturbed, tmp_path, always_save):
    run = interrupted(tmp_path, 4)
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"step": 45, "epo')
    assert train.main([*FLAGS, f"--workdir={tmp_path}"]) == 0
    assert_same_bits(run, undisturbed)


def test_damaged_checkpoint_is_named_and_the_one_before_used(undisturbed, tmp_path, always_save, capsys):
    run = interrupted(tmp_path, 4)
    _, newest = checkpoints.saved(run.checkpoints)
    damage(newest)
    assert train.main([*FLAGS, f"--workdir={tmp_path}"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert f"checkpoint '{newest}' is damaged" in line
    assert_same_bits(run, undisturbed)


def test_run_without_an_intact_checkpoint_begins_anew(undisturbed, tmp_path, always_save, capsys):
    run = interrupted(tmp_path, 4)
    for checkpoint in checkpoints.saved(run.checkpoints):
        damage(checkpoint)
    assert train.main([*FLAGS, f"--workdir={tmp_path}"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    aside = tmp_path / "damaged" / f"{run.id}-checkpoints-1"
    assert line == f"no intact checkpoint in '{run.checkpoints}': set aside as '{aside}', begun anew"
    assert_same_bits(run, undisturbed)


DAMAGES = {
    "no text": lambda content: b"\xff\xfe" + content,
    "no JSON": lambda content: content.replace(b"{", b"<", 1),
    "no object": lambda content: b"[1, 2]\n" + content,
    "a line lost": lambda content: content.split(b"\n", 1)[1],
    "a line twice": lambda content: content.split(b"\n", 1)[0] + b"\n" + content,
    "another number": lambda content: content.replace(b'"train/loss": ', b'"train/loss": 1', 1),
    "no checksum": lambda content: content.replace(b"crc32", b"crc33", 1),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_metrics_of_an_unfinished_run_are_refused_by_name(tmp_path, always_save, kind):
    run = interrupted(tmp_path, 4)
    path = run.path / "metrics.jsonl"
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    with pytest.raises(UsageError, match=f"'{path}'.* delete '{run.path}'"):
        train.main([*FLAGS, f"--workdir={tmp_path}"])
    assert run.result() is None


@pytest.mark.parametrize("left", [0, 1])
def test_run_that_holds_less_than_its_checkpoint_is_trained_again(
    undisturbed, tmp_path, always_save, capsys, left
):
    run = interrupted(tmp_path, 4)
    path = run.path / "metrics.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))
    assert train.main([*FLAGS, f"--workdir={tmp_path}"]) == 0
    assert f"'{run.path}' is not as its checkpoint left it: to be trained again" in capsys.readouterr().err
    assert_same_bits(run, undisturbed)


# Ctrl-C while a checkpoint is written.
INTERRUPTED = """
import os
import signal
from experiments import cli, train
from vae_jax import pool

pool.CHECKPOINT_SECONDS, pool.CHECKPOINT_SHARE = 0.0, float("inf")
fsync, calls = os.fsync, iter(range(1000))

def interrupted(file):
    if next(calls) == 12:
        signal.raise_signal(signal.SIGINT)
    fsync(file)

os.fsync = interrupted
cli.run(train.main)
"""


def test_interrupt_during_a_checkpoint_is_one_line_and_the_run_goes_on(undisturbed, tmp_path):
    stopped = python("-c", INTERRUPTED, *FLAGS, f"--workdir={tmp_path}")
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines() == ["error: interrupted; the same command goes on from here"]
    run = only_run(tmp_path)
    assert run.result() is None
    assert train.main([*FLAGS, f"--workdir={tmp_path}"]) == 0
    assert_same_bits(run, undisturbed)
