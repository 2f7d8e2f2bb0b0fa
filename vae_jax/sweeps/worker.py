"""A worker: trains populations, in a process of its own, wherever an executor starts it.

It and its launcher share nothing but the work directory: the worker reads the population there,
and tells each outcome as a line of JSON in a file there; epochs are read from the runs.
"""

import ctypes
import json
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vae_jax import own, streams
from vae_jax.compilation import set_up
from vae_jax.errors import UsageError
from vae_jax.files import check_folder
from vae_jax.launch import Outcome
from vae_jax.paths import append
from vae_jax.sweeps.cores import from_text, pin
from vae_jax.sweeps.population import launch, read

PR_SET_PDEATHSIG = 1  # of Linux's prctl


class Order(NamedTuple):
    """What a worker is to do: paths, as text.

    Attributes:
      population: its file, in the work directory's folder of populations.
      told: the file for its outcomes.
      manual_dir: see `data.load`; empty for none.
      executor: the name of the one that starts it.
      imports: the user's own files, which register data and parts.
    """

    population: str
    told: str
    manual_dir: str
    executor: str
    imports: Sequence[str]


def work(population: str, told: str, manual_dir: str, executor: str, imports: Sequence[str]) -> None:
    """Trains a population; the arguments are an Order's."""
    set_up()
    path, manual = pathlib.Path(population), pathlib.Path(manual_dir) if manual_dir else None
    for outcome in _outcomes(path, manual, executor, imports):
        _tell(pathlib.Path(told), outcome)


def _outcomes(
    path: pathlib.Path, manual_dir: pathlib.Path | None, executor: str, imports: Sequence[str]
) -> Iterator[Outcome]:
    population, workdir = read(path), path.parent.parent
    try:
        for name in imports:
            own.load(pathlib.Path(name))
    except UsageError as error:  # not there on this machine, say
        yield from (Outcome(run, "failed", {}, error) for run in population.runs(workdir).values())
        return
    yield from launch(population, workdir, manual_dir, executor=executor)


def _tell(path: pathlib.Path, outcome: Outcome) -> None:
    """Adds a line; opened anew each time, because another launcher may have deleted the folder."""
    error = outcome.error and (type(outcome.error).__name__, str(outcome.error))
    line = {"run": outcome.run.id, "status": outcome.status, "result": outcome.result, "error": error}
    check_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    append(path, json.dumps(line) + "\n")


def end_with(parent: int) -> None:
    """A worker must not outlive a launcher that was killed: it would hold its runs' locks."""
    if sys.platform == "linux":  # at once; elsewhere, and if that fails, within half a second
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Works in a process of its own; the arguments are its launcher's number and its cores.

    Reads an Order as JSON from each line of its input, and answers with a line when it is done.
    """
    streams.set_up()
    end_with(int(sys.argv[1]))
    pin(from_text(sys.argv[2]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed meanwhile is no answer
    for line in sys.stdin:
        work(*json.loads(line))
        print("done", file=answers, flush=True)
