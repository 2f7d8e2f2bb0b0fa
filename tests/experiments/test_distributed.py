import contextlib
import signal
import socket
import subprocess

import pytest

from experiments import train
from tests.experiments.commands import LINEAR, PLAIN, assert_same_to_rounding, only_run, start
from vae_jax import checkpoints
from vae_jax.errors import UsageError

FLAGS = [f"--config={LINEAR}", "--config.num_epochs=4"]

# A process that checkpoints every epoch, and may kill itself before one of them; and that tries
# what becomes of processes that are given different runs.
DYING = """
import itertools, os, signal
import jax
from experiments import cli, train
from vae_jax import devices, distributed, pool
from vae_jax.errors import UsageError

pool.CHECKPOINT_SECONDS, pool.CHECKPOINT_SHARE = 0.0, float("inf")
advance, epochs = devices.advance, itertools.count(1)

def dying(*arguments):
    if next(epochs) == {last}:
        os.kill(os.getpid(), signal.SIGKILL)
    return advance(*arguments)

def differing(text):
    try:
        check_same(str(jax.process_index()))
    except UsageError as error:
        print(error, flush=True)
    check_same(text)

check_same, distributed.check_same = distributed.check_same, differing
devices.advance = dying
cli.run(train.main)
"""


def together(*commands):
    """Returns the finished processes, each of which is told the number that it has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        flags = [f"--coordinator=127.0.0.1:{free.getsockname()[1]}", f"--num_processes={len(commands)}"]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(start(*command, *flags, f"--process_id={number}"))
            for number, command in enumerate(commands)
        ]
        outputs = [process.communicate(timeout=120) for process in processes]
    pairs = zip(processes, outputs, strict=True)
    return [subprocess.CompletedProcess(p.args, p.returncode, *output) for p, output in pairs]


def without_gloo(text):
    """What is left without the line in which XLA tells that processes are connected."""
    return [line for line in text.splitlines() if not line.startswith("[Gloo]")]


@pytest.mark.slow
def test_two_processes_train_one_run_and_go_on_after_a_kill(tmp_path):
    alone, shared, nowhere = (tmp_path / name for name in ("alone", "shared", "nowhere"))
    assert train.main([*FLAGS, f"--workdir={alone}"]) == 0

    workdirs = [f"--workdir={shared}"], [f"--workdir={nowhere}"]
    scripts = [["-c", DYING.format(last=last), *FLAGS] for last in (None, 3)]
    left, dead = together(*(script + workdir for script, workdir in zip(scripts, workdirs, strict=True)))
    assert dead.returncode == -signal.SIGKILL
    assert left.returncode == 1
    for process in (left, dead):
        assert without_gloo(process.stdout) == ["the processes were given different runs: 0, 1"]
    assert left.stderr.startswith("error: cannot go on with the other processes: ")
    assert only_run(shared).result() is None
    assert [path.name for path in checkpoints.saved(only_run(shared).checkpoints)] == [
        "000001.npz",
        "000002.npz",
    ]

    first, second = together(*(["-m", "experiments.train", *FLAGS, *workdir] for workdir in workdirs))
    assert (first.returncode, second.returncode, first.stderr, second.stderr) == (0, 0, "", "")
    assert without_gloo(first.stdout)[0].startswith(f"{only_run(shared).path}: completed")
    assert len(without_gloo(first.stdout)) == 1 + len(PLAIN)
    assert without_gloo(second.stdout) == []
    assert not nowhere.exists()
    assert_same_to_rounding(only_run(shared), only_run(alone))
    assert only_run(shared).result()["devices"] == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--process_id=0"], "give --coordinator, --num_processes and --process_id"),
        (
            ["--distributed", "--coordinator=a:1", "--num_processes=2", "--process_id=0"],
            "or else --distributed",
        ),
        (["--coordinator=host", "--num_processes=2", "--process_id=0"], "--coordinator takes HOST:PORT"),
        (["--distributed", "--devices=2"], "leave --devices out"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(tmp_path, flags, message):
    with pytest.raises(UsageError, match=message):
        train.main([*FLAGS, f"--workdir={tmp_path / 'results'}", *flags])
    assert not (tmp_path / "results").exists()
