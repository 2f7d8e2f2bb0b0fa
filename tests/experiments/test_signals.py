"""Ctrl-C and SIGTERM at any moment, and readers that leave."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.experiments.commands import (
    LINEAR,
    REPOSITORY,
    VAE,
    assert_same_bits,
    command,
    only_run,
    start,
)
from vae_jax import runs

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
BOTH = pytest.mark.parametrize("number", list(WORDS), ids=["SIGINT", "SIGTERM"])
LONG = [f"--config={LINEAR}", "--config.num_epochs=100000", "--config.batch_size=1000"]

# As `python -m experiments.train` does it, and says when Python itself is ready to run it.
READY = """
import runpy, sys
name, sys.argv = sys.argv[1], ["-m", *sys.argv[2:]]
print("ready", flush=True)
runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
"""


def ready(name, *arguments):
    process = start("-c", READY, name, *arguments)
    assert process.stdout.readline() == "ready\n"
    return process


def signalled(process, number):
    """Returns the exit code and the lines of standard error of a process that is sent a signal."""
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    return process.returncode, told.splitlines()


def assert_told(ended, number):
    code, lines = ended
    assert code == 128 + number, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"error: {WORDS[number]}")


def wait_for_epoch(process, workdir, epoch):
    while process.poll() is None and not any(
        (run.last_metrics() or {"epoch": 0})["epoch"] >= epoch
        for run in (runs.all_runs(workdir) if workdir.is_dir() else [])
    ):
        time.sleep(0.05)


@BOTH
def test_signal_while_a_command_is_imported_is_one_line(tmp_path, number):
    with ready("train", *LONG, f"--workdir={tmp_path / 'runs'}") as process:
        time.sleep(0.2)
        assert_told(signalled(process, number), number)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@BOTH
def test_signal_at_twenty_moments_of_the_first_seconds_is_one_line(tmp_path, number):
    for moment in range(20):
        with ready("train", *LONG, f"--workdir={tmp_path / str(moment)}") as process:
            time.sleep(0.02 + 0.1 * moment)
            assert_told(signalled(process, number), number)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize(
    "arguments",
    [["train"], ["sweep", "--sweep=seed"], ["sweep", "--sweep=seed", "--executor=processes:2"]],
    ids=["train", "threads", "processes"],
)
def test_signal_in_training_ends_everything_and_the_same_command_goes_on(tmp_path, arguments, number):
    name, *flags = arguments
    argv = [f"--config={LINEAR}", "--config.num_epochs=800", *flags]
    with start("-m", f"experiments.{name}", *argv, f"--workdir={tmp_path}") as process:
        wait_for_epoch(process, tmp_path, 20)
        children = children_of(process.pid)
        assert_told(signalled(process, number), number)
    assert not any(map(alive, children))
    assert all(run.holder() == "" for run in runs.all_runs(tmp_path))
    assert command(name, *argv, f"--workdir={tmp_path}").returncode == 0
    assert all(run.result()["status"] == "completed" for run in runs.all_runs(tmp_path))


@pytest.mark.slow
def test_run_that_was_terminated_goes_on_to_the_same_bits(tmp_path):
    argv = [f"--config={LINEAR}", "--config.num_epochs=800"]
    assert command("train", *argv, f"--workdir={tmp_path / 'alone'}").returncode == 0
    with start("-m", "experiments.train", *argv, f"--workdir={tmp_path / 'ended'}") as process:
        wait_for_epoch(process, tmp_path / "ended", 20)
        assert_told(signalled(process, signal.SIGTERM), signal.SIGTERM)
    assert only_run(tmp_path / "ended").result() is None
    assert command("train", *argv, f"--workdir={tmp_path / 'ended'}").returncode == 0
    assert_same_bits(only_run(tmp_path / "ended"), only_run(tmp_path / "alone"))


@pytest.mark.slow
@BOTH
def test_signal_while_figures_are_drawn_ends_those_who_draw(tmp_path, number):
    flags = ["architecture", "gaussian", "--smoke", f"--workdir={tmp_path}"]
    with start("-m", "experiments.reproduce", *flags, start_new_session=True) as process:
        children = []
        while process.poll() is None and len(children) < 3:  # two that draw, and Python's resource tracker
            children = children_of(process.pid)
            time.sleep(0.02)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT) if number == signal.SIGINT else process.send_signal(number)
        _, told = process.communicate(timeout=60)
        assert_told((process.returncode, told.splitlines()), number)
    assert not any(map(alive, children))


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def alive(pid):
    """Whether a process still does anything half a second from now."""
    time.sleep(0.5)
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_reader_that_leaves_stops_no_work(tmp_path, closed):
    reader, writer = os.pipe()
    os.close(reader)
    argv = ["-m", "experiments.train", f"--config={LINEAR}", f"--workdir={tmp_path}"]
    with start(*argv, **{closed: writer}) as process:
        output = process.communicate(timeout=120)
    os.close(writer)
    assert process.returncode == 0
    assert "Traceback" not in (output[1] or "")
    assert only_run(tmp_path).result()["status"] == "completed"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_output_is_no_error(tmp_path, closed):
    done = shell(f"python -m experiments.status {tmp_path} {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert ("0 runs" in done.stdout) == (closed == "2>&-")


def test_output_on_a_full_disk_is_one_line(tmp_path):
    done = shell(f"python -m experiments.status {tmp_path} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_encoding_gets_readable_text(tmp_path, encoding):
    argv = f"-m experiments.train --config={VAE} --workdir={tmp_path}"
    done = shell(f"PYTHONIOENCODING={encoding} python {argv}", encoding)
    assert (done.returncode, done.stderr) == (0, "")
    minus = "−" if encoding == "utf-8" else "-"
    assert f"{minus}log p(x), nats per image" in done.stdout
    done = shell(f"PYTHONIOENCODING={encoding} python -m experiments.compare {tmp_path}", encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("mean +- 95%" if encoding == "ascii" else "mean ± 95%") in done.stdout


def shell(line, encoding="utf-8"):
    """Returns the finished process of a line for the shell, in which `python` is this one."""
    line = line.replace("python ", f"{shlex.quote(sys.executable)} ", 1)
    return subprocess.run(
        line, shell=True, cwd=REPOSITORY, capture_output=True, encoding=encoding, timeout=120, check=False
    )
