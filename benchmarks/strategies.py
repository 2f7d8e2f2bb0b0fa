"""A sweep of MNIST VAEs as planned, against every fixed strategy and against pythae.

    python -m benchmarks.strategies --peer=PYTHON [--manual_dir=FOLDER]        (45 minutes, idle machine)

8 latent sizes x 3 seeds x 10 epochs of the 784-500-z-500-784 VAE: 50,000 images to train on, 10,000
to validate on after every epoch. Whole processes, from start to the last result, each with no
compiled program in store:

    planned      `experiments.sweep`, which chooses by measured cost (measured before, and timed apart)
    sequential, vmapped, processes    each alone, as benchmarks/fixed.py says
    pythae       its own trainer, all cores, one run after the other: 3 of the sizes timed, times 8

PYTHON is an interpreter that has torch and pythae; without it the peer is left out.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks.fixed import STRATEGIES
from vae_jax import data

CONFIG = """
from configs import vae

def get_config(arg=""):
    config = vae.get_config("mnist")
    config.update(bottleneck_width=500, num_epochs={epochs})
    config.binarize = "threshold"  # the peer draws no pixels,
    config.evaluation.iwae_samples = 1  # and evaluates nothing
    return config

def sweep_size():
    for latent_size in {sizes}:
        yield {{"latent_size": latent_size}}

def sweep_seeds():
    for seed in range({seeds}):
        yield {{"seed": seed}}
"""
SIZES = (2, 4, 8, 12, 16, 20, 24, 32)
PEER_SIZES = (2, 12, 32)
TARGET = 2.3


def timed(*command: str, cache: pathlib.Path) -> float:
    """Returns the seconds of a whole process that keeps its compiled programs in `cache`."""
    began = time.perf_counter()
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def peer_seconds(python: str, folder: pathlib.Path, manual_dir: pathlib.Path | None, arguments) -> float:
    """Returns the seconds that pythae takes for the whole sweep."""
    mnist = data.load("mnist", manual_dir)
    path = folder / "images.npy"
    np.save(path, np.concatenate([mnist.train.images, mnist.valid.images]))
    script = str(pathlib.Path(__file__).with_name("peer_pythae.py"))
    seconds = []
    for size in PEER_SIZES:
        command = [python, script, str(path), str(size), str(arguments.epochs)]
        told = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        seconds.append(float(told.stdout.split()[-1]))
        print(f"  pythae, latent size {size}: {seconds[-1]:.1f} s", flush=True)
    return statistics.mean(seconds) * len(SIZES) * arguments.seeds


def main() -> None:
    arguments = parse()
    data.load("mnist", arguments.manual_dir)  # prepares it where that was never done
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        config = folder / "config.py"
        config.write_text(CONFIG.format(epochs=arguments.epochs, sizes=SIZES, seeds=arguments.seeds))
        seconds = ours(config, folder, arguments)
        if arguments.peer:
            seconds["pythae"] = peer_seconds(arguments.peer, folder, arguments.manual_dir, arguments)
    report(seconds, len(SIZES) * arguments.seeds)


def ours(config: pathlib.Path, folder: pathlib.Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Returns the seconds of the planned sweep and of every fixed strategy."""
    manual = [f"--manual_dir={arguments.manual_dir}"] if arguments.manual_dir else []
    sweep = [sys.executable, "-m", "experiments.sweep", f"--config={config}", "--sweep=size,seeds", *manual]
    measuring = timed(*sweep, f"--workdir={folder / 'dry'}", "--dry_run", cache=folder / "cache_dry")
    print(f"plan, with the measurements it needs: {measuring:.0f} s", flush=True)
    seconds = {"planned": timed(*sweep, f"--workdir={folder / 'planned'}", cache=folder / "cache_planned")}
    print(f"  planned: {seconds['planned']:.0f} s", flush=True)
    for strategy in STRATEGIES:
        command = [sys.executable, "-m", "benchmarks.fixed", strategy, f"--config={config}", *manual]
        command += ["--sweep=size,seeds", f"--workdir={folder / strategy}"]
        seconds[strategy] = timed(*command, cache=folder / f"cache_{strategy}")
        print(f"  {strategy}: {seconds[strategy]:.0f} s", flush=True)
    return seconds


def report(seconds: dict[str, float], runs: int) -> None:
    for name, taken in seconds.items():
        print(f"{name:<12}{taken:8.0f} s{runs * 3600 / taken:8.0f} runs an hour")
    best = min(STRATEGIES, key=seconds.get)
    _print(f"best fixed strategy ({best}) / planned", seconds[best] / seconds["planned"], 1.0)
    if "pythae" in seconds:
        _print("pythae / planned", seconds["pythae"] / seconds["planned"], TARGET)


def _print(name: str, value: float, target: float) -> None:
    verdict = "met" if value >= target else "missed"
    print(f"{name:<50}{value:8.2f}   target at least {target:g}: {verdict}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="a Python that has torch and pythae")
    parser.add_argument("--manual_dir", type=pathlib.Path, help="folder of the original files of mnist")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
