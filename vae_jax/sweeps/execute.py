"""Execute: run populations here or in other processes, one failure never stopping the others."""

import collections
import math
import pathlib
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from vae_jax import files
from vae_jax.errors import UsageError
from vae_jax.identity import imports
from vae_jax.launch import HELD, Outcome
from vae_jax.pool import Show
from vae_jax.runs import Run
from vae_jax.sweeps.backlog import Backlog
from vae_jax.sweeps.population import Population
from vae_jax.sweeps.worker import Order

TRIES = 3  # of a population whose process dies and gets no further
LOOK_SECONDS = 0.2  # between two looks at what the workers have done,
LOOK_SHARE = 0.1  # unless looking would take more than this share of the time


class Place(NamedTuple):
    """Where runs are, and their data; see `data.load` for `manual_dir`."""

    workdir: pathlib.Path
    manual_dir: pathlib.Path | None = None


class Job(Protocol):
    """A worker that was started somewhere."""

    def running(self) -> bool: ...

    def stop(self) -> None:
        """Ends it, if it is still there; it may be half-way."""


class Executor(Protocol):
    """Where populations train.

    Attributes:
      slots: how many at the same time.
    """

    slots: int

    def execute(self, populations: Sequence[Population], place: Place, show: Show) -> Iterator[Outcome]:
        """Trains them, yielding each run's outcome; `show` is called as runs make epochs."""

    def close(self) -> None: ...


class Remote:
    """Populations in workers that share the work directory and nothing else.

    A worker that dies is replaced, and its population taken up again from its last checkpoint,
    until it has died TRIES times without getting any further. What is left to say is where a worker
    runs: `start`.
    """

    slots: int

    def start(self, order: Order) -> Job:
        raise NotImplementedError

    def execute(self, populations: Sequence[Population], place: Place, show: Show) -> Iterator[Outcome]:
        backlog, tries = Backlog(populations, place.workdir), Tries()
        flights: list[Flight] = []
        try:
            while backlog or flights:
                began = time.monotonic()
                yield from backlog.found()
                while len(flights) < self.slots and (population := backlog.take()):
                    flights.append(Flight(population, place, self.start, type(self).__name__.lower()))
                for flight in tuple(flights):
                    landed = not flight.job.running()  # before the last look
                    yield from flight.look(show)
                    if landed:
                        flights.remove(flight)
                        yield from flight.end(backlog, tries)
                time.sleep(pause(began))
        finally:
            for flight in flights:
                flight.job.stop()

    def close(self) -> None:
        pass


class Tries:
    """How often populations died in workers without getting any further than before."""

    def __init__(self):
        self._died, self._furthest = collections.Counter(), collections.Counter()

    def died(self, population: Population, progress: int) -> int:
        """Takes note of a death after so much progress; returns how many there were without any."""
        if progress > self._furthest[population.id]:
            self._furthest[population.id], self._died[population.id] = progress, 0
        self._died[population.id] += 1
        return self._died[population.id]


class Flight:
    """A population in a worker, as seen from its launcher.

    Attributes:
      left: its runs of which no outcome is known.
      held: those among them that another process trains.
    """

    def __init__(self, population: Population, place: Place, start: Any, executor: str):
        self.population, self._workdir = population, place.workdir
        self.left, self.held = population.runs(place.workdir), {}
        self._epochs: dict[str, int] = {}
        self._ends, self._failed = 0, False
        told = population.folder(place.workdir).absolute() / "told"
        self._told, self._read = told / f"{uuid.uuid4().hex}.jsonl", 0
        manual = str(place.manual_dir.absolute()) if place.manual_dir else ""
        path = population.write(place.workdir).absolute()
        self.job: Job = start(
            Order(str(path), str(self._told), manual, executor, imports(population.configs))
        )

    def look(self, show: Show) -> Iterator[Outcome]:
        """Yields the outcomes since the last look, and shows the epochs."""
        for run in self.left.values():
            line = run.last_metrics()
            if line and line["epoch"] != self._epochs.get(run.id):
                self._epochs[run.id] = line["epoch"]
                show(run, line["epoch"], {n: math.nan if v is None else v for n, v in line.items()})
        for line in self._lines():
            outcome = _outcome(line, self._workdir)
            if outcome.status == HELD:
                self.held[outcome.run.id] = outcome.run
                continue
            self._ends += 1
            self._failed |= outcome.status == "failed"
            self.left.pop(outcome.run.id, None)
            yield outcome

    def progress(self) -> int:
        """Returns how far it was seen to get: epochs of all runs that it trains, and ends."""
        own = [epoch for run_id, epoch in self._epochs.items() if run_id not in self.held]
        return sum(own) + self._ends

    def end(self, backlog: Backlog, tries: Tries) -> Iterator[Outcome]:
        """Sees to what the worker left, which is over: tries it again, waits for it or gives it up."""
        if self.left.keys() - self.held.keys():
            if tries.died(self.population, self.progress()) < TRIES:
                backlog.put_back(self.population)
                return
            error = RuntimeError(f"its process died {TRIES} times without getting any further")
            yield from (Outcome(run, "failed", {}, error) for run in self.left.values())
        elif self.left:
            backlog.put_off(self.population, self.left, self._failed)
        elif not self._failed:
            self.population.remove(self._workdir)

    def _lines(self) -> list[dict[str, Any]]:
        """Returns the whole lines that were told since the last time."""
        try:
            text = files.read(self._told, self._workdir.absolute())[self._read :]
            *lines, rest = text.split(b"\n")
            self._read += len(text) - len(rest)
            return [files.parse_object(line, finite=False) for line in lines]
        except FileNotFoundError:
            return []
        except ValueError:  # what it tells is lost, and no run: the next look at the runs finds them
            return []


def pause(began: float) -> float:
    """Returns the seconds until the next look, where this one began then, by `time.monotonic`."""
    return max(LOOK_SECONDS, (time.monotonic() - began) / LOOK_SHARE)


def _outcome(told: dict[str, Any], workdir: pathlib.Path) -> Outcome:
    run, error = Run(workdir / told["run"]), None
    if told["error"]:
        kind, message = told["error"]
        error = UsageError(message) if kind == "UsageError" else RuntimeError(f"{kind}: {message}")
    return Outcome(run, told["status"], told["result"], error)
