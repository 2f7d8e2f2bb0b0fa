"""A sweep trained by one fixed strategy, whatever it costs: a process for benchmarks to time.

python -m benchmarks.fixed sequential --config=CONFIG --sweep=NAMES --workdir=DIR

sequential   one process, one run after the other
vmapped      one process, one population of all runs, filled up to the largest sizes
processes    as many processes as there are cores (or GPUs), each run alone in one of them
"""

import argparse
import pathlib

from experiments.cli import load_config, named_sweeps
from vae_jax.compilation import set_up
from vae_jax.launch import quiet
from vae_jax.sweeps import Place, executor, expand
from vae_jax.sweeps.population import Population

STRATEGIES = ("sequential", "vmapped", "processes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("strategy", choices=STRATEGIES)
    parser.add_argument("--config", required=True)
    parser.add_argument("--sweep", required=True)
    parser.add_argument("--workdir", type=pathlib.Path, required=True)
    parser.add_argument("--manual_dir", type=pathlib.Path)
    given = parser.parse_args()
    set_up()
    module, base = load_config(given.config, {})
    populations = populations_of(given.strategy, expand(base, named_sweeps(module, given.sweep)))
    using = executor("processes" if given.strategy == "processes" else "local:1", given.workdir)
    outcomes = list(using.execute(populations, Place(given.workdir, given.manual_dir), quiet))
    runs = sum(len(population.configs) for population in populations)
    assert [outcome.status for outcome in outcomes] == ["completed"] * runs


def populations_of(strategy: str, configs: list) -> list[Population]:
    sizes = [(config.latent_size, config.bottleneck_width) for config in configs]
    if strategy == "vmapped":
        largest = tuple(max(size) for size in zip(*sizes, strict=True))
        return [Population(tuple(configs), largest, len(configs))]
    return [Population((config,), size, 1) for config, size in zip(configs, sizes, strict=True)]


if __name__ == "__main__":
    main()
