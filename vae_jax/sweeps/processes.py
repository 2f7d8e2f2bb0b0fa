"""Workers as processes of this machine, each on cores of its own, or on a GPU of its own."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from vae_jax.launch import Outcome
from vae_jax.pool import Show
from vae_jax.sweeps.cores import as_text, environments, most, shares
from vae_jax.sweeps.execute import Job, Place, Remote
from vae_jax.sweeps.population import Population
from vae_jax.sweeps.worker import Order

COMMAND = ["-c", "from vae_jax.sweeps.worker import main; main()"]
Share = tuple[list[int], dict[str, str]]  # cores, and what tells a process its GPU


class Processes(Remote):
    """So many worker processes at once, which stay for the next population.

    A worker ends with its launcher, however that ends.
    """

    def __init__(self, slots: int | None = None):
        self.slots = slots or most()
        self._free: list[Share] = list(zip(shares(self.slots), environments(self.slots), strict=True))
        self._idle: list[_Worker] = []

    def execute(self, populations: Sequence[Population], place: Place, show: Show) -> Iterator[Outcome]:
        try:
            yield from super().execute(populations, place, show)
        finally:
            while self._idle:
                self._end(self._idle.pop())

    def start(self, order: Order) -> Job:
        worker = self._idle.pop() if self._idle else _Worker(self._free.pop(0))
        worker.give(order)
        return _Work(worker, self._idle.append, self._end)

    def _end(self, worker: "_Worker") -> None:
        worker.process.kill()
        worker.process.wait()
        self._free.append(worker.share)


class _Worker:
    """A process that takes one order after another, a line each, and answers each with a line."""

    def __init__(self, share: Share):
        self.share = cores, environment = share
        self.process = subprocess.Popen(
            [sys.executable, *COMMAND, str(os.getpid()), as_text(cores)],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the launcher, which then ends its workers
        )

    def give(self, order: Order) -> None:
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:  # it died while it was idle, which shows as having done nothing
            pass

    def says_something(self) -> bool:
        """Whether there is a line to read, or it has ended."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])


class _Work:
    """A population with a worker, until either is done."""

    def __init__(self, worker: _Worker, give_back: Callable[[_Worker], None], end: Callable[[_Worker], None]):
        self._worker: _Worker | None = worker
        self._give_back, self._end = give_back, end

    def running(self) -> bool:
        if self._worker is None or not self._worker.says_something():
            return self._worker is not None
        done = self._worker.process.stdout.readline()
        self._leave(self._give_back if done else self._end)
        return False

    def stop(self) -> None:
        if self._worker is not None:
            self._leave(self._end)

    def _leave(self, how: Callable[[_Worker], None]) -> None:
        worker, self._worker = self._worker, None
        how(worker)
