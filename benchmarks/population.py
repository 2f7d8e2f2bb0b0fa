"""64 runs of the MNIST VAE as one population, against one run alone and against all in turn.

    python -m benchmarks.population [--manual_dir=FOLDER]        (6 minutes on a GPU; hours on 2 cores)

The 784-500-20-500-784 VAE as configs/vae.py has it, evaluation included, 64 seeds. Whole processes,
from start to the last result, with compiled programs in store; and from their results the seconds
that an epoch and an evaluation take.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

import jax

from benchmarks.strategies import manual, timed
from vae_jax import data, runs
from vae_jax.compilation import set_up

CONFIG = """
from configs import vae

def get_config(arg=""):
    config = vae.get_config("mnist")
    config.update(latent_size=20, bottleneck_width=500, num_epochs={epochs})
    return config

def sweep_one():
    yield {{"seed": 0}}

def sweep_all():
    for seed in range({runs}):
        yield {{"seed": seed}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manual_dir", type=pathlib.Path, help="folder of the original files of mnist")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=64)
    given = parser.parse_args()
    set_up()
    data.load("mnist", given.manual_dir)  # prepares it where that was never done
    with tempfile.TemporaryDirectory() as name:
        compare(pathlib.Path(name), given)


def compare(folder: pathlib.Path, given: argparse.Namespace) -> None:
    print(f"{given.runs} runs of {given.epochs} epochs on: {jax.devices()[0].device_kind}", flush=True)
    once = folder / "once.py"
    once.write_text(CONFIG.format(epochs=1, runs=given.runs))
    config = folder / "config.py"
    config.write_text(CONFIG.format(epochs=given.epochs, runs=given.runs))
    told = {}
    for name, strategy, sweep in (
        ("one alone", "sequential", "one"),
        ("one population", "vmapped", "all"),
        ("in turn", "sequential", "all"),
    ):
        if name != "in turn":  # its programs are those of one alone
            measure(strategy, sweep, once, folder / f"{name} once", folder, given)
        told[name] = measure(strategy, sweep, config, folder / name, folder, given)
        print(
            "{:<16}{:8.1f} s; a run: epoch {:.4f} s, evaluation {:.3f} s".format(name, *told[name]),
            flush=True,
        )
    alone, together, turn = (told[name] for name in ("one alone", "one population", "in turn"))
    print(f"one population / one run alone, whole processes {together[0] / alone[0]:8.2f}")
    print(f"in turn / one population, whole processes       {turn[0] / together[0]:8.2f}")
    print(f"in turn / one population, an epoch of all       {turn[1] / together[1]:8.2f}")


def measure(
    strategy: str, sweep: str, config: pathlib.Path, workdir: pathlib.Path, folder: pathlib.Path, given
) -> tuple[float, float, float]:
    """Returns the seconds of the process, and medians over its runs: of an epoch, of an evaluation."""
    command = [sys.executable, "-m", "benchmarks.fixed", strategy, f"--config={config}", f"--sweep={sweep}"]
    seconds = timed(*command, *manual(given), f"--workdir={workdir}", cache=folder / "cache")
    found = [run.result() for run in runs.all_runs(workdir)]
    medians = (statistics.median(one[f"{part}_seconds"] for one in found) for part in ("epoch", "evaluation"))
    return seconds, *medians


if __name__ == "__main__":
    main()
