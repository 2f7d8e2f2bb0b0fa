"""The commands as a user starts them, and what their runs have in common."""

import csv
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from vae_jax import launch, runs

REPOSITORY = pathlib.Path(__file__).parent.parent.parent
VAE = f"{REPOSITORY}/configs/vae.py:smoke"
AE = f"{REPOSITORY}/configs/ae.py:smoke"
LINEAR = f"{REPOSITORY}/configs/ae.py:smoke,linear"  # the least to compile
PLAIN = ("test/mse", "test/knn_accuracy")  # metrics of a plain autoencoder


def start(*arguments, **options):
    """Starts `python arguments...` at the top of the repository, its output captured as text."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, arguments)], cwd=REPOSITORY, **pipes | options)


def python(*arguments, **options):
    """Returns the finished process of `python arguments...`, with its code, stdout and stderr."""
    with start(*arguments, **options) as process:
        stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def command(name, *arguments):
    """Returns the finished process of `python -m experiments.<name> arguments...`."""
    return python("-m", f"experiments.{name}", *arguments)


def only_run(workdir):
    (run,) = runs.all_runs(workdir)
    return run


def snapshot(folder):
    """Returns what stands in a folder: path -> when it was last written, and its bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def without_seconds(lines):
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def assert_same_bits(run, other):
    """The same metrics of every epoch, test metrics and best parameters, to the last bit."""
    assert without_seconds(run.metrics()) == without_seconds(other.metrics())
    assert run.result()["metrics"] == other.result()["metrics"]
    params = [launch.load(each).variables["params"] for each in (run, other)]
    jax.tree.map(np.testing.assert_array_equal, *params)


def assert_same_to_rounding(run, other):
    """The same run, its sums over a batch added up in another order."""
    assert run.id == other.id
    for line, same in zip(without_seconds(run.metrics()), without_seconds(other.metrics()), strict=True):
        assert line == pytest.approx(same, rel=1e-5)
    params = [launch.load(each).variables["params"] for each in (run, other)]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), *params)


def table(path):
    """Returns the rows of a CSV file, each under the names of its columns."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
