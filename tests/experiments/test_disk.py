"""A full disk and a read-only one, both real: a small tmpfs."""

import os
import subprocess

import pytest

from experiments import cli, sweep, train
from tests.experiments.commands import AE, assert_same_bits, snapshot
from vae_jax import runs

CONFIG = """
from configs import ae

def get_config(arg=""):
    return ae.get_config("smoke,linear")

def sweep_two():
    return [{"seed": seed} for seed in range(2)]

def sweep_six():
    return [{"seed": seed} for seed in range(6)]
"""
KILOBYTES_LEFT = 64  # less than three runs need


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte; skips the test where it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True
    ).returncode:
        pytest.skip("only root can mount a file system here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # a writer that failed may hold a file


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return path


def fill(folder):
    space = os.statvfs(folder)
    (folder / "filler").write_bytes(bytes(space.f_bavail * space.f_frsize - KILOBYTES_LEFT * 1024))


def test_full_disk_is_a_clear_line_and_the_sweep_goes_on_when_there_is_space(config, disk, tmp_path, capsys):
    undisturbed, workdir = tmp_path / "undisturbed", disk / "runs"
    for folder in (undisturbed, workdir):
        assert sweep.main([f"--config={config}", "--sweep=two", f"--workdir={folder}"]) == 0
    finished = {run.id: snapshot(run.path) for run in runs.all_runs(workdir)}
    fill(disk)
    capsys.readouterr()
    six = [f"--config={config}", "--sweep=six"]
    assert sweep.main([*six, f"--workdir={workdir}"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told
    assert all(line.endswith("No space left on device") and "failed" in line for line in told)
    assert {name: snapshot(workdir / name) for name in finished} == finished
    (disk / "filler").unlink()
    for folder in (undisturbed, workdir):
        assert sweep.main([*six, f"--workdir={folder}"]) == 0
    assert {name: snapshot(workdir / name) for name in finished} == finished
    for run, other in zip(runs.all_runs(workdir), runs.all_runs(undisturbed), strict=True):
        assert_same_bits(run, other)


def test_read_only_directory_is_refused_and_left_as_it_is(config, disk, monkeypatch, capsys):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for command, more in ((sweep.main, ["--sweep=seed"]), (train.main, [])):
        argv = [f"--config={AE}", f"--workdir={disk / 'runs'}", *more]
        monkeypatch.setattr("sys.argv", ["command", *argv])
        with pytest.raises(SystemExit) as exit_:
            cli.run(command)
        assert exit_.value.code == 2
        assert capsys.readouterr() == ("", f"error: cannot write in directory '{disk}'\n")
    assert not list(disk.iterdir())
