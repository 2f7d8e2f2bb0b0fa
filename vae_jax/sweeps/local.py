"""Populations in this process, each in a thread of its own."""

import contextlib
import queue
import resource
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from vae_jax.launch import HELD, Outcome
from vae_jax.pool import Show
from vae_jax.sweeps.backlog import Backlog
from vae_jax.sweeps.cores import threads
from vae_jax.sweeps.execute import Place, pause
from vae_jax.sweeps.population import Population, launch

THREAD = "population"
STOP_SECONDS = 2.0  # that an interrupt waits for epochs to end


def is_left() -> bool:
    """Whether a population trains on, though nobody waits for it: what was told to stop had not by then.

    It harms no run. But the process must end by `os._exit`: Python's own ending takes from under
    the thread what it computes with.
    """
    return any(thread.name == THREAD for thread in threading.enumerate())


class Local:
    """Populations in this process, each in a thread: a small one alone leaves most cores idle.

    Between two epochs a thread has little to do that another must wait for, and what one compiles
    all can run.
    """

    def __init__(self, slots: int | None = None):
        self.slots = slots or threads()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # every run in training has two files open
        with contextlib.suppress(ValueError, OSError):  # macOS may tell a limit that it does not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def execute(self, populations: Sequence[Population], place: Place, show: Show) -> Iterator[Outcome]:
        crew = _Crew(populations, place)
        members = [
            threading.Thread(target=crew.work, name=THREAD, daemon=True) for _ in populations[: self.slots]
        ]
        for member in members:
            member.start()
        working = len(members)
        try:
            while working:
                match crew.told.get():
                    case Outcome() as outcome:
                        yield outcome
                    case BaseException() as error:
                        raise error
                    case (*epoch,):
                        show(*epoch)
                    case None:
                        working -= 1
        finally:
            crew.stop(members)

    def close(self) -> None:
        pass


class _Crew:
    """Threads that train populations, one after another each.

    Attributes:
      told: by all of them: outcomes, the arguments of `show`, errors, and None when one is done.
    """

    def __init__(self, populations: Sequence[Population], place: Place):
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._backlog, self._place = Backlog(populations, place.workdir), place
        self._choosing, self._stopping = threading.Lock(), threading.Event()

    def work(self) -> None:
        try:
            while self._backlog and not self._stopping.is_set():
                began = time.monotonic()
                if population := self._take():
                    self._train(population)
                else:  # all that is left waits for another process
                    self._stopping.wait(pause(began))
        except BaseException as error:
            self.told.put(error)
        self.told.put(None)

    def stop(self, members: Sequence[threading.Thread]) -> None:
        """Stops them after their epochs, if these do not take too long."""
        self._stopping.set()
        for member in members:
            member.join(STOP_SECONDS / len(members))

    def _take(self) -> Population | None:
        with self._choosing:
            for outcome in self._backlog.found():
                self.told.put(outcome)
            return self._backlog.take()

    def _train(self, population: Population) -> None:
        held, failed = {}, False
        for outcome in launch(population, *self._place, self._show):
            failed |= outcome.status == "failed"
            if outcome.status == HELD:
                held[outcome.run.id] = outcome.run
            else:
                self.told.put(outcome)
            if self._stopping.is_set():
                return
        if held:
            with self._choosing:
                self._backlog.put_off(population, held, failed)
        elif not failed:
            population.remove(self._place.workdir)

    def _show(self, *epoch: Any) -> None:
        if self._stopping.is_set():
            raise KeyboardInterrupt  # which marks no run as failed
        self.told.put(epoch)
