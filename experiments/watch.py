"""What a sweep shows while it trains: a bar in a terminal, else a line now and then."""

import contextlib
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from experiments import cli
from vae_jax.budgets import budget
from vae_jax.runs import Run
from vae_jax.sweeps import Outcome, Planned

LINE_SECONDS = 30.0  # between two lines where there is no terminal


class View:
    """Counts the epochs and the ends of a sweep's runs.

    Attributes:
      outcomes: of the runs that have ended.
    """

    def __init__(self, planned: Sequence[Planned], names: Mapping[str, str]):
        self._planned, self._names = planned, names
        self._of = {entry.run.id: budget(entry.config) for entry in planned if not entry.over}
        self._done: dict[str, int] = {}
        self._best, self._best_id = math.inf, ""
        self._began = self._told = time.monotonic()
        self.outcomes: list[Outcome] = []

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Draws the bar, where there is a terminal, as long as this lasts."""
        with cli.progress_bar("sweep", self._total()) as self._bar:
            yield

    def epoch(self, run: Run, epoch: int, metrics: Mapping[str, float]) -> None:
        """Takes note of a run's epoch."""
        self._done[run.id] = epoch
        if (loss := metrics.get("valid/loss", math.inf)) < self._best:
            self._best, self._best_id = loss, run.id
        brief = f"best {self._best:.4g}" if self._best_id else ""
        self._bar(self._counts(), sum(self._done.values()), self._total(), brief)
        if not sys.stderr.isatty() and time.monotonic() - self._told > LINE_SECONDS:
            self._told = time.monotonic()
            told = [self._counts(), self._running(), self._left(), self._best_so_far()]
            print(", ".join(filter(None, told)), file=sys.stderr, flush=True)

    def end(self, outcome: Outcome) -> None:
        """Takes note of a run's end: it makes no more epochs than it has made."""
        self.outcomes.append(outcome)
        if outcome.run.id in self._of:
            self._of[outcome.run.id] = self._done.get(outcome.run.id, 0)

    def _total(self) -> int:
        return sum(self._of.values())

    def _counts(self) -> str:
        counts = Counter(outcome.status for outcome in self.outcomes)
        bad = "".join(f", {counts[status]} {status}" for status in ("diverged", "failed") if counts[status])
        return f"{len(self.outcomes)}/{len(self._planned)} runs{bad}"

    def _running(self) -> str:
        return f"{len(self._done.keys() - {outcome.run.id for outcome in self.outcomes})} running"

    def _left(self) -> str:
        done, total = sum(self._done.values()), self._total()
        seconds = (time.monotonic() - self._began) * (total - done) / max(done, 1)
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"

    def _best_so_far(self) -> str:
        return f"best valid {self._best:.5g} ({self._names[self._best_id]})" if self._best_id else ""
