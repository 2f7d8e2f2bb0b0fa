"""The executors by name: where the populations of a sweep train.

To add one, give it a class (see `execute.Executor`, and `execute.Remote`) and a line in `EXECUTORS`.
"""

import pathlib
from collections.abc import Callable

from vae_jax.errors import UsageError, lookup
from vae_jax.sweeps.cores import gpus
from vae_jax.sweeps.execute import Executor
from vae_jax.sweeps.local import Local

MOST = 10_000  # threads or processes


def executor(spec: str, workdir: pathlib.Path) -> Executor:
    """Returns the executor that 'name' or 'name:argument' describes.

    Raises:
      UsageError: an unknown name, a bad argument, a package or cluster that is not there.
    """
    name, _, argument = spec.partition(":")
    return lookup("executor", name, EXECUTORS)(argument, workdir)


def cheapest(slots: int) -> str:
    """Returns the executor of this machine that trains so many populations at the same time."""
    return f"processes:{slots}" if gpus() and slots > 1 else f"local:{slots}"


def _local(argument: str, workdir: pathlib.Path) -> Executor:
    return Local(_number("local", argument))


def _processes(argument: str, workdir: pathlib.Path) -> Executor:
    from vae_jax.sweeps.processes import Processes

    return Processes(_number("processes", argument))


def _ray(argument: str, workdir: pathlib.Path) -> Executor:
    from vae_jax.sweeps.ray_cluster import Ray

    return Ray(argument)


def _submitit(argument: str, workdir: pathlib.Path) -> Executor:
    from vae_jax.sweeps.slurm import Submitit

    return Submitit(str(workdir.absolute() / "submitit"), argument)


def _number(name: str, argument: str) -> int | None:
    if not argument:
        return None
    if not (argument.isascii() and argument.isdigit() and 0 < int(argument[:10]) <= MOST):
        raise UsageError(f"executor '{name}' takes a number from 1 to {MOST:,}, not '{argument[:40]}'")
    return int(argument)


EXECUTORS: dict[str, Callable[[str, pathlib.Path], Executor]] = {
    "local": _local,
    "processes": _processes,
    "ray": _ray,
    "submitit": _submitit,
}
