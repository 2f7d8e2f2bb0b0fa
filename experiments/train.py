"""Train and evaluate one run: a config with one seed.

    python -m experiments.train --config=configs/vae.py --workdir=results
    python -m experiments.train --config=configs/vae.py:mnist --config.latent_size=2 --workdir=results
    python -m experiments.train --config=configs/vae.py:mnist --workdir=results --devices=4

The run's directory is named by the hash of its config, so that the same command finds a
finished run done and goes on with a killed one. On several devices it is the same run, each
batch split between them. Over several processes, too, each started with its own number and the
same rest; process 0 keeps the run's directory, and all end with its exit code:

    ... --coordinator=HOST:PORT --num_processes=2 --process_id=0
    ... --coordinator=HOST:PORT --num_processes=2 --process_id=1
    srun --ntasks=2 ... --distributed
"""

import argparse
from collections.abc import Sequence
from typing import Any

import jax

from experiments import cli
from vae_jax import devices, distributed, results
from vae_jax.budgets import budget
from vae_jax.check import check
from vae_jax.compilation import check_devices
from vae_jax.errors import UsageError
from vae_jax.finish import now
from vae_jax.identity import run_of
from vae_jax.launch import follow, launch
from vae_jax.runs import Run


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    cli.add_config(parser)
    cli.add_workdir(parser)
    add_devices(parser)
    arguments = parser.parse(argv)
    _, config = cli.load_config(arguments.config, arguments.overrides)
    check(config)  # what one process refuses, all do, before they join
    count = join(arguments)
    distributed.check_same(run_of(config, arguments.workdir).id)
    mesh = devices.mesh(count, config.batch_size)
    if jax.process_index() > 0:
        return follow(config, arguments.manual_dir, mesh)
    workdir, began = cli.writable(arguments.workdir), now()

    with cli.progress_bar("training", budget(config)) as bar:

        def show(run, epoch, metrics):
            bar("epoch", epoch, budget(config), cli.brief(metrics))

        run, result = launch(config, workdir, arguments.manual_dir, show, mesh)
    print(summary(run, result, found=result["finished"] < began))
    return 0 if result["status"] == "completed" else 1


def add_devices(parser: cli.Parser) -> None:
    parser.add_argument(
        "--devices", type=int, help="how many devices of this machine to train on (default: 1)"
    )
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 of several listens")
    parser.add_argument("--num_processes", type=int, help="how many processes, each with all its devices")
    parser.add_argument("--process_id", type=int, help="this one's number, from 0")
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="the same three as SLURM, Open MPI, Kubernetes or a TPU pod has them",
    )


def join(arguments: argparse.Namespace) -> int:
    """Joins the other processes, if any are spoken of; returns how many devices to train on.

    Raises:
      UsageError: arguments that do not go together.
    """
    given = arguments.coordinator, arguments.num_processes, arguments.process_id
    by_hand = given != (None, None, None)
    if not by_hand and not arguments.distributed:
        return 1 if arguments.devices is None else arguments.devices
    if by_hand and (None in given or arguments.distributed):
        raise UsageError("give --coordinator, --num_processes and --process_id, or else --distributed")
    if by_hand:
        _check_numbers(*given)
    if arguments.devices is not None:
        raise UsageError("several processes train on all their devices: leave --devices out")
    distributed.join(*given)
    check_devices()
    return jax.device_count()


def _check_numbers(coordinator: str, num_processes: int, process_id: int) -> None:
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 2**16):
        raise UsageError(f"--coordinator takes HOST:PORT, with a port from 1 to 65535, not '{coordinator}'")
    if not 0 < num_processes < 2**16:
        raise UsageError(f"--num_processes must be from 1 to 65535, not {num_processes}")
    if not 0 <= process_id < num_processes:
        raise UsageError(
            f"--process_id must be from 0 to {num_processes - 1}, below --num_processes, not {process_id}"
        )


def summary(run: Run, result: dict[str, Any], found: bool = False) -> str:
    """Returns what a run came to, a line for each test metric; whether it was `found` done is said."""
    where = f"{run.path}: found, finished on {result['finished'][:16]} UTC: " if found else f"{run.path}: "
    if result["status"] == "diverged":
        return f"{where}diverged at step {result['diverged_step']} (NaN or infinity); last good state kept"
    epochs = f"{result['epochs']} epochs, best {result['best_epoch']}"
    lines = [f"{where}completed in {result['seconds']:.1f} s ({epochs})"]
    for name, label in results.labels(result["metrics"], str(result["iwae_samples"])).items():
        lines.append(f"  {name:<20} {result['metrics'][name]:10.4f}   {label}")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
