"""A sweep of MNIST VAEs as planned, against every fixed strategy and against pythae.

    python -m benchmarks.strategies --peer=PYTHON [--manual_dir=FOLDER]        (45 minutes, idle machine)

8 latent sizes x 3 seeds x 10 epochs of the 784-500-z-500-784 VAE: 50,000 images to train on, 10,000
to validate on after every epoch. Whole processes, from start to the last result, each with no
compiled program in store:

    planned      `experiments.sweep`, which chooses by measured cost (measured before, and timed apart)
    sequential, vmapped, processes    each alone, as benchmarks/fixed.py says
    pythae       its own trainer, all cores, one run after the other: 3 of the sizes timed, times 8;
                 before and after the planned sweep and at the end, for a machine's pace drifts

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
    config.evaluation.update(iwae_samples=1, neighbors=0)  # and evaluates nothing
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


def peer(size: int, images: pathlib.Path, arguments: argparse.Namespace) -> list[float]:
    """Returns the seconds that pythae takes for a run of this size; nothing where it is not there."""
    if not arguments.peer:
        return []
    script = str(pathlib.Path(__file__).with_name("peer_pythae.py"))
    command = [arguments.peer, script, str(images), str(size), str(arguments.epochs)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [_told(f"pythae, latent size {size}", float(told.stdout.split()[-1]))]


def main() -> None:
    arguments = parse()
    mnist = data.load("mnist", arguments.manual_dir)  # prepares it where that was never done
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        config, images = folder / "config.py", folder / "images.npy"
        config.write_text(CONFIG.format(epochs=arguments.epochs, sizes=SIZES, seeds=arguments.seeds))
        np.save(images, np.concatenate([mnist.train.images, mnist.valid.images]))
        before, between, end = PEER_SIZES
        peers = peer(before, images, arguments)
        seconds = {"planned": planned(config, folder, arguments)}
        peers += peer(between, images, arguments)
        seconds |= fixed(config, folder, arguments)
        peers += peer(end, images, arguments)
    runs = len(SIZES) * arguments.seeds
    report(seconds | ({"pythae": statistics.mean(peers) * runs} if peers else {}), runs)


def planned(config: pathlib.Path, folder: pathlib.Path, arguments: argparse.Namespace) -> float:
    """Returns the seconds of the planned sweep, once its speeds are measured."""
    sweep = [sys.executable, "-m", "experiments.sweep", f"--config={config}", "--sweep=size,seeds"]
    sweep += manual(arguments)
    dry = timed(*sweep, f"--workdir={folder / 'dry'}", "--dry_run", cache=folder / "cache_dry")
    _told("plan, with the measurements it needs", dry)
    return _told("planned", timed(*sweep, f"--workdir={folder / 'planned'}", cache=folder / "cache_planned"))


def fixed(config: pathlib.Path, folder: pathlib.Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Returns the seconds of every fixed strategy."""
    seconds = {}
    for strategy in STRATEGIES:
        command = [sys.executable, "-m", "benchmarks.fixed", strategy, f"--config={config}"]
        command += ["--sweep=size,seeds", f"--workdir={folder / strategy}", *manual(arguments)]
        seconds[strategy] = _told(strategy, timed(*command, cache=folder / f"cache_{strategy}"))
    return seconds


def manual(arguments: argparse.Namespace) -> list[str]:
    return [f"--manual_dir={arguments.manual_dir}"] if arguments.manual_dir else []


def _told(name: str, seconds: float) -> float:
    print(f"  {name}: {seconds:.1f} s", flush=True)
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
