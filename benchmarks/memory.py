"""Memory of one process over a sweep whose every run is a program of its own: flat after a few.

    python -m benchmarks.memory [--programs=20] [--slots=1]     (about 5 minutes; the cache is a new one)

A small VAE on `digits` for 3 epochs, `hidden_sizes` another for each run. Printed is the resident
memory after each run, once with all programs kept, as JAX does, and once with few; then seconds and
processor seconds of both, each in a process with a cache of its own, and with the cache filled.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from configs import vae
from vae_jax import compilation
from vae_jax.config import override
from vae_jax.launch import quiet
from vae_jax.sweeps import Place, executor, plan
from vae_jax.sweeps.population import Population

SMALL = {"latent_size": 4, "bottleneck_width": 16, "num_epochs": 3}
KEEP = {"all": 10**9, "few": compilation.KEPT}
FLAT = 1.3  # times the most in the first half of the runs: the most in the second


def resident() -> float:
    """Returns the memory of this process in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def sweep(programs: int, slots: int, workdir: pathlib.Path) -> None:
    """Trains them, printing the memory after each."""
    sizes = [16 + 8 * number for number in range(programs)]
    fields = [{f"{side}.hidden_sizes": (size,) for side in ("encoder", "decoder")} for size in sizes]
    planned = plan([override(vae.get_config(), SMALL | each) for each in fields], workdir)
    populations = [Population((entry.config,), (4, 16), 1) for entry in planned]
    for outcome in executor(f"local:{slots}", workdir).execute(populations, Place(workdir), quiet):
        assert outcome.status == "completed", outcome.error
        print(f"{resident():.0f}", flush=True)


def measured(keep: str, arguments: argparse.Namespace, cache: pathlib.Path) -> list[float]:
    """Returns the memory after each run of a sweep in a process of its own, in MB."""
    began, before = time.perf_counter(), os.times()
    command = [sys.executable, "-m", "benchmarks.memory", f"--keep={keep}"]
    command += [f"--programs={arguments.programs}", f"--slots={arguments.slots}"]
    environment = os.environ | {"VAE_JAX_CACHE": str(cache)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds, after = time.perf_counter() - began, os.times()
    own = after.children_user + after.children_system - before.children_user - before.children_system
    numbers = [float(line) for line in done.stdout.split()]
    print(f"{keep} kept: {seconds:.0f} s, {own:.0f} s of processors; MB: {done.stdout.replace(chr(10), ' ')}")
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=20, help="at least 12")
    parser.add_argument("--slots", type=int, default=1, help="populations at the same time")
    parser.add_argument("--keep", choices=KEEP, help="for one sweep, in this process")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.keep:
            compilation.KEPT = KEEP[arguments.keep]
            compilation.set_up()
            sweep(arguments.programs, arguments.slots, pathlib.Path(folder))
            return
        for state in ("empty", "filled"):
            print(f"cache {state}")
            for keep in KEEP:
                found = measured(keep, arguments, pathlib.Path(folder) / keep)
        half = arguments.programs // 2  # memory goes up and down with every forgetting
        growth = max(found[half:]) / max(found[:half])
    print(f"few kept: most memory in the second half / in the first {growth:.2f} (target: {FLAT})")
    if growth > FLAT:
        raise SystemExit("memory grows")


if __name__ == "__main__":
    main()
