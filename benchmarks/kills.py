"""Nothing is lost: a sweep is killed at random moments, and its runs compared with undisturbed ones.

    python -m benchmarks.kills [--kills=40] [--seed=0] [--executor=processes]      (about 15 minutes)

A sweep of 24 runs is killed with SIGKILL, the launcher or one of its workers by chance, and the same
command given again, until it is done; then another one begins, until there were enough kills. Every
run must be there once, never change once it is finished, and have the bits of an undisturbed sweep:
metrics of every epoch, on test, and parameters.
"""

import argparse
import collections
import functools
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import jax
import numpy as np

from vae_jax import launch, runs

CONFIG = """
from configs import vae

def get_config(arg=""):
    config = vae.get_config("smoke")
    config.num_epochs = 150
    return config

def sweep_rate():
    for rate in (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e30):  # the last diverges
        yield {"learning_rate": rate}

def sweep_seed():
    for seed in range(3):
        yield {"seed": seed}
"""
RUNS = 24


def start(config: pathlib.Path, workdir: pathlib.Path, executor: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "experiments.sweep", f"--config={config}", "--sweep=rate,seed"]
    command += [f"--workdir={workdir}", f"--executor={executor}"]
    with open(log(workdir), "a") as told:
        return subprocess.Popen(command, stdout=told, stderr=told)


def log(workdir: pathlib.Path) -> pathlib.Path:
    """What the launches of a sweep said."""
    return workdir.with_suffix(".log")


def children(pid: int) -> list[int]:
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_one(launcher: subprocess.Popen, rng: random.Random) -> str:
    """Kills the launcher or one of its workers; returns which."""
    workers = children(launcher.pid)
    pid = rng.choice([launcher.pid, *workers])
    os.kill(pid, signal.SIGKILL)
    return "launcher" if pid == launcher.pid else "worker"


def results(workdir: pathlib.Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in workdir.glob("*/result.json")}


def statuses(workdir: pathlib.Path) -> set[str]:
    return {run.result()["status"] for run in runs.all_runs(workdir)}


def content(run: runs.Run) -> tuple:
    """Returns what must be the same to the bit, as text and bytes."""
    lines = [{n: v for n, v in line.items() if n != "seconds"} for line in run.metrics()]
    params = jax.tree.map(lambda x: np.asarray(x).tobytes(), launch.load(run).variables["params"])
    result = run.result()
    return result["status"], str(result["metrics"]), str(lines), str(jax.tree.leaves(params))


def check(workdir: pathlib.Path, undisturbed: dict[str, tuple]) -> None:
    for run in runs.all_runs(workdir):
        assert run.final_result(), f"run {run.path} is not finished:\n{log(workdir).read_text()}"
    found = {run.id: content(run) for run in runs.all_runs(workdir)}
    assert found.keys() == undisturbed.keys(), "a run is missing, or one too many"
    for name, bits in found.items():
        assert bits == undisturbed[name], f"run {name} differs from the undisturbed one"
    left = [path.name for path in (workdir / "populations").iterdir()]
    assert not left, f"of a population was left: {', '.join(left)}"


def disturbed(
    launch_again: Callable[[], subprocess.Popen], workdir, rng, kills: int, mean_seconds: float
) -> collections.Counter:
    """Runs a sweep to its end with at most so many kills; returns how many there were of which kind."""
    counts, finished = collections.Counter(), {}
    launcher = launch_again()
    while True:
        try:
            code = launcher.wait(rng.uniform(0.2, 2 * mean_seconds) if counts.total() < kills else None)
        except subprocess.TimeoutExpired:
            kind = kill_one(launcher, rng)
            counts[kind] += 1
            print(f"  kill {counts.total()}: {kind}, {len(results(workdir))} runs finished", flush=True)
            if kind == "launcher":
                launcher.wait()
                time.sleep(1.0)  # its workers notice and end
                launcher = launch_again()
        else:
            assert code == 1, f"exit code {code}, and three runs diverge"
            if len(results(workdir)) == RUNS and "failed" not in statuses(workdir):
                return counts
            launcher = launch_again()  # a population that died too often was given up
        now = results(workdir)
        assert all(now[name] == text for name, text in finished.items()), "a finished run was done again"
        finished = now


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", default="processes", help="of the sweeps: processes or local")
    arguments = parser.parse_args()
    rng, counts, sweeps = random.Random(arguments.seed), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        config = root / "config.py"
        config.write_text(CONFIG)
        began = time.perf_counter()
        assert start(config, root / "undisturbed", arguments.executor).wait() == 1
        seconds = time.perf_counter() - began
        undisturbed = {run.id: content(run) for run in runs.all_runs(root / "undisturbed")}
        assert len(undisturbed) == RUNS
        print(f"undisturbed: {RUNS} runs in {seconds:.0f} s", flush=True)
        while counts.total() < arguments.kills:
            sweeps += 1
            workdir = root / f"sweep{sweeps}"
            again = functools.partial(start, config, workdir, arguments.executor)
            counts += disturbed(again, workdir, rng, arguments.kills - counts.total(), seconds / 3)
            check(workdir, undisturbed)
            print(f"sweep {sweeps}: as undisturbed, after {counts.total()} kills", flush=True)
    told = ", ".join(f"{count} of a {kind}" for kind, count in sorted(counts.items()))
    print(f"{counts.total()} kills ({told}) in {sweeps} sweeps of {RUNS} runs: every run once, same bits")


if __name__ == "__main__":
    main()
