"""Execute: run populations here or in other processes, one failure never stopping the others."""

import collections
import json
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from vae_jax.attempt import run_of
from vae_jax.errors import UsageError
from vae_jax.launch import Outcome
from vae_jax.pool import Show
from vae_jax.runs import Run
from vae_jax.sweeps.cores import as_text, shares
from vae_jax.sweeps.population import Population, launch

TRIES = 3  # of a population whose process dies
COMMAND = ["-m", "vae_jax.sweeps.worker"]
Executor = Callable[[Sequence[Population], int, pathlib.Path, pathlib.Path | None, Show], Iterator[Outcome]]


def local(
    populations: Sequence[Population],
    processes: int,
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None,
    show: Show,
) -> Iterator[Outcome]:
    """Runs one population after another in this process."""
    del processes
    for population in populations:
        yield from launch(population, workdir, manual_dir, show)


def processes(
    populations: Sequence[Population],
    processes: int,
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None,
    show: Show,
) -> Iterator[Outcome]:
    """Runs populations in worker processes, each on cores of its own.

    A worker whose process dies is replaced, and its population taken up again from its last
    checkpoint, at most TRIES times.
    """
    for population in populations:
        population.write(workdir)
    waiting = collections.deque((population, 1) for population in populations)
    told: SimpleQueue[tuple[Worker, dict[str, Any] | None]] = SimpleQueue()
    workers = [Worker(own, workdir, manual_dir, told) for own in shares(processes)[: len(populations)]]
    try:
        for worker in workers:
            worker.take(*waiting.popleft())
        while any(worker.population for worker in workers):
            worker, event = told.get()
            if event is None:
                yield from _died(worker, waiting, workdir)
                if waiting:
                    worker.restart()
            elif event["kind"] == "epoch":
                show(Run(workdir / event["run"]), event["epoch"], event["metrics"])
            elif event["kind"] == "outcome":
                worker.ended.add(event["run"])
                yield _outcome(event, workdir)
            else:
                worker.population = None
            if worker.population is None and waiting:
                worker.take(*waiting.popleft())
    finally:
        for worker in workers:
            worker.stop()


class Worker:
    """A process that trains one population after another, and tells of it line by line.

    Attributes:
      population: the one it has; None when it is free.
      tries: how often that one was begun.
      ended: ids of its runs that are over.
    """

    def __init__(
        self, own: Sequence[int], workdir: pathlib.Path, manual_dir: pathlib.Path | None, told: SimpleQueue
    ):
        self._told = told
        self._arguments = [as_text(own), str(workdir), str(manual_dir or "")]
        self.population: Population | None = None
        self.restart()

    def restart(self) -> None:
        """Begins a new process, free for any population."""
        command = [sys.executable, *COMMAND, *self._arguments]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C is for the parent, which then ends its workers
        )
        self.population = None
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def take(self, population: Population, tries: int) -> None:
        self.population, self.tries, self.ended = population, tries, set()
        try:
            self._process.stdin.write(population.id + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died: the listener says so

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _listen(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            self._told.put((self, json.loads(line)))
        self._told.put((self, None))


def _died(worker: Worker, waiting: collections.deque, workdir: pathlib.Path) -> Iterator[Outcome]:
    """Puts the population of a dead worker back in the queue, or gives it up."""
    population = worker.population
    if population is None:
        return
    if worker.tries < TRIES:
        waiting.appendleft((population, worker.tries + 1))
        worker.population = None
        return
    error = RuntimeError(f"its process died {TRIES} times")
    for run in (run_of(config, workdir) for config in population.configs):
        if run.id not in worker.ended:
            yield Outcome(run, "failed", {}, error)
    worker.population = None


def _outcome(event: dict[str, Any], workdir: pathlib.Path) -> Outcome:
    run, error = Run(workdir / event["run"]), None
    if event["error"]:
        kind, message = event["error"]
        error = UsageError(message) if kind == "UsageError" else RuntimeError(f"{kind}: {message}")
    return Outcome(run, event["status"], event["result"], error)


EXECUTORS: dict[str, Executor] = {"local": local, "processes": processes}
