"""Seconds to list and to compare 10,000 finished runs in one directory.

    python -m benchmarks.many [--runs=10000]        (about 2 minutes)

One run is trained; the others are its metrics and result under other seeds and learning rates. Each
command is a whole process: once where nothing is indexed yet, and three times after that, of which
the median counts.
"""

import argparse
import itertools
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from configs import vae
from vae_jax import data, index, launch, runs
from vae_jax.config import override, resolved_json

TARGET = 5.0
GROUP = 100  # seeds of each learning rate
COMMANDS = {"status": ["experiments.status"], "compare": ["experiments.compare", "--by=learning_rate"]}


def copy(finished: runs.Run, result: dict, workdir: pathlib.Path, number: int) -> None:
    """Writes a finished run of another seed and learning rate."""
    rate, seed = divmod(number, GROUP)
    fingerprint = data.source("digits").fingerprint
    config = override(vae.get_config("smoke"), {"learning_rate": 1e-6 * (rate + 1), "seed": seed + 1})
    run = runs.find(workdir, config, fingerprint)
    run.create(resolved_json(config, fingerprint))
    run.copy_metrics(finished)
    run.finish(result)


def seconds(command: list[str], workdir: pathlib.Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", *command, str(workdir)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, workdir = pathlib.Path(folder) / "one", pathlib.Path(folder) / "runs"
        finished, result = launch.launch(vae.get_config("smoke"), one)
        for number in range(arguments.runs):
            copy(finished, result, workdir, number)
        for name, command in COMMANDS.items():
            (workdir / index.NAME).unlink(missing_ok=True)
            first, *later = (seconds(command, workdir) for _ in itertools.repeat(None, 4))
            usual = statistics.median(later)
            verdict = "met" if usual <= TARGET else "missed"
            print(
                f"{name:<8}{arguments.runs} runs: {usual:.2f} s, {first:.1f} s without an index", flush=True
            )
            print(f"  target {TARGET:g} s: {verdict}")


if __name__ == "__main__":
    main()
