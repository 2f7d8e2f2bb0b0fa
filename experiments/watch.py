"""What a sweep shows while it trains: a live view in a terminal, else a line now and then."""

import contextlib
import itertools
import math
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vae_jax import results
from vae_jax.budgets import budget
from vae_jax.runs import Run
from vae_jax.sweeps import Outcome, Planned

LINE_SECONDS = 30.0  # between two lines where there is no terminal
KINDS = 2  # of losses whose best run is told
LONG = 60  # characters of a run's name; studies train runs that differ in many fields
ENDS = ("completed", "diverged", "failed")


class Best(NamedTuple):
    """The lowest validation loss so far among runs whose losses can be compared."""

    loss: float
    run: Run


class Tally:
    """What is known of a sweep's runs.

    Attributes:
      names: what tells each run from the others, by run id.
      epochs: that each run is to make; for one that has ended, that it made.
      running: epoch and metrics of the runs in training.
      best: for each kind of loss (see `results.kind`).
      planned_seconds: the estimate of the schedule, or NaN.
    """

    def __init__(self, planned: Sequence[Planned], names: Mapping[str, str]):
        self.names, self.count = names, len(planned)
        todo = [entry for entry in planned if not entry.over]
        self.epochs = {entry.run.id: budget(entry.config) for entry in todo}
        self._kinds = {entry.run.id: results.kind(entry.fields) for entry in planned}
        self._at = {entry.run.id: _epoch(entry) for entry in todo}
        self.done, self.total = sum(self._at.values()), sum(self.epochs.values())
        self.running: dict[str, tuple[int, Mapping[str, float]]] = {}
        self.best: dict[tuple, Best] = {}
        self.planned_seconds = math.nan
        self._outcomes: dict[str, Outcome] = {}
        self._ends = Counter()
        self._began, self._made = time.monotonic(), 0
        self._first: tuple[float, int] | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """Of the runs that have ended."""
        return list(self._outcomes.values())

    def epoch(self, run: Run, epoch: int, metrics: Mapping[str, float]) -> None:
        """Takes note of a run's epoch; called very often, so that nothing here counts all runs.

        One that is over may be told again, by the population that goes on after a kill.
        """
        if run.id in self._outcomes:
            return
        advance = epoch - self._at[run.id]
        self._at[run.id] = epoch
        self.done += advance
        self._made += max(advance, 1)  # a run that is resumed goes back to its checkpoint first
        self._first = self._first or (time.monotonic(), self._made)
        self.running[run.id] = (epoch, metrics)
        self._offer(run, metrics.get("valid/loss"))

    def end(self, outcome: Outcome) -> None:
        """Takes note of a run's end: it makes no more epochs than it has made.

        One that failed may end again, where a worker that went on with it had more luck.
        """
        if outcome.run.id in self._outcomes:
            self._ends[self._outcomes[outcome.run.id].status] -= 1
        self._outcomes[outcome.run.id] = outcome
        self._ends[outcome.status] += 1
        self.running.pop(outcome.run.id, None)
        self._offer(outcome.run, outcome.result.get("valid_loss"))
        if outcome.run.id in self.epochs:
            self.total += self._at[outcome.run.id] - self.epochs[outcome.run.id]
            self.epochs[outcome.run.id] = self._at[outcome.run.id]

    def _offer(self, run: Run, loss: float | None) -> None:
        kind = self._kinds[run.id]
        lowest = self.best[kind].loss if kind in self.best else math.inf
        if loss is not None and loss < lowest:
            self.best[kind] = Best(loss, run)

    def counts(self) -> dict[str, int]:
        """Returns how many runs have ended in each way, are running and are waiting."""
        ends = {status: self._ends[status] for status in ENDS}
        waiting = self.count - len(self._outcomes) - len(self.running)
        return ends | {"running": len(self.running), "waiting": waiting}

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def speed(self) -> float:
        """Returns the epochs per second, all runs together, since the first one; NaN before the second."""
        when, made = self._first or (math.nan, 0)
        return (self._made - made) / (time.monotonic() - when) if self._made > made else math.nan

    def seconds_left(self) -> float:
        """Returns the seconds to train what is left at the speed so far; NaN where that is not known."""
        return (self.total - self.done) / self.speed()


class View:
    """Shows the tally of a sweep."""

    def __init__(self, planned: Sequence[Planned], names: Mapping[str, str]):
        self.tally, self._lock = Tally(planned, names), threading.Lock()
        self._told = time.monotonic()

    @property
    def outcomes(self) -> list[Outcome]:
        """Of the runs that have ended."""
        return self.tally.outcomes

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Draws the view, where there is a terminal, as long as this lasts."""
        if not sys.stderr.isatty():
            yield
            return
        from experiments.live import drawn

        with drawn(self.tally, self._lock):
            yield

    def epoch(self, run: Run, epoch: int, metrics: Mapping[str, float]) -> None:
        """Takes note of a run's epoch."""
        with self._lock:
            self.tally.epoch(run, epoch, metrics)
        if time.monotonic() - self._told > LINE_SECONDS and not sys.stderr.isatty():
            self._told = time.monotonic()
            print(line(self.tally), file=sys.stderr, flush=True)

    def end(self, outcome: Outcome) -> None:
        """Takes note of a run's end."""
        with self._lock:
            self.tally.end(outcome)


def line(tally: Tally) -> str:
    """Returns '2/3 runs, 1 diverged, 1 running, 15/21 epochs, about 20 s left, best valid 5 (seed=1)'."""
    counts = tally.counts()
    told = [f"{len(tally.outcomes)}/{tally.count} runs"]
    told += [f"{counts[status]} {status}" for status in ("diverged", "failed") if counts[status]]
    told += [f"{counts['running']} running", f"{tally.done}/{tally.total} epochs"]
    told += [f"about {duration(tally.seconds_left())} left"] if not math.isnan(tally.speed()) else []
    for best in itertools.islice(tally.best.values(), KINDS):
        told.append(f"best valid {best.loss:.5g} ({textwrap.shorten(tally.names[best.run.id], LONG)})")
    return ", ".join(told)


def duration(seconds: float) -> str:
    """Returns '45 s', '12 min' or '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _epoch(entry: Planned) -> int:
    """Returns how far a run is that was begun before."""
    last = entry.run.last_metrics() if entry.state == "started" else None
    return last["epoch"] if last else 0
