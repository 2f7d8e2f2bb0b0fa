"""Search: which trials to train next, and how far, decided by the validation losses so far.

A search has no state but its runs: it is asked for a batch of jobs, is told their losses, and is
asked again. Done over from the start with the runs that are finished, it asks for the same.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from vae_jax.errors import UsageError
from vae_jax.sweeps.space import Space, draw


class Job(NamedTuple):
    """A trial, to be trained for as many epochs as a rung has; both count from 0."""

    trial: int
    rung: int


Losses = Mapping[Job, float]  # of the jobs that are over; infinity for one that came to nothing


class Settings(NamedTuple):
    """What makes a search.

    Attributes:
      seed: of the draws from `space`.
      trials: how many are begun.
      batch: how many jobs are decided on at once, to be trained together.
      epochs: of a trial that is trained to its end.
      min_epochs: of the first rung; None for three more below the last.
      eta: one in so many goes on to the next rung.
    """

    space: Space
    seed: int
    trials: int
    batch: int
    epochs: int
    min_epochs: int | None = None
    eta: int = 3


class Search(Protocol):
    """Attributes:
    rungs: epochs of each rung, rising; the last trains a trial to its end.
    """

    rungs: tuple[int, ...]

    def jobs(self, losses: Losses) -> list[Job]:
        """Returns the next batch, given the losses of all before; empty when the search is over."""

    def values(self, trial: int) -> dict[str, Any]:
        """Returns the fields of a trial that a job has named."""


@dataclasses.dataclass(frozen=True)
class Halving:
    """Successive halving, asynchronous where there are more trials than a batch has jobs.

    ASHA of Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", Algorithm 2,
    for as many workers as a batch has jobs. With one rung it is random search.
    """

    settings: Settings
    rungs: tuple[int, ...]

    def jobs(self, losses: Losses) -> list[Job]:
        batch: list[Job] = []
        while len(batch) < self.settings.batch and (job := self._job(losses, {*losses, *batch})):
            batch.append(job)
        return batch

    def values(self, trial: int) -> dict[str, Any]:
        return draw(self.settings.space, self.settings.seed, trial)

    def _job(self, losses: Losses, begun: set[Job]) -> Job | None:
        """Returns `get_job` of the paper: a promotion, to as high a rung as there is one, or a new trial."""
        for rung in reversed(range(len(self.rungs) - 1)):
            for trial in top(losses, rung, self.settings.eta):
                if (job := Job(trial, rung + 1)) not in begun:
                    return job
        new = sum(job.rung == 0 for job in begun)
        return Job(new, 0) if new < self.settings.trials else self._leader(losses, begun)

    def _leader(self, losses: Losses, begun: set[Job]) -> Job | None:
        """Where so many trials are lost that the last rung would stay empty, the best goes on alone."""
        sound = [job for job, loss in losses.items() if math.isfinite(loss)]
        last = len(self.rungs) - 1
        if begun - losses.keys() or any(job.rung == last for job in sound):
            return None
        ahead = [job for job in sound if Job(job.trial, job.rung + 1) not in begun]
        best = min(ahead, key=lambda job: (-job.rung, losses[job]), default=None)
        return best and Job(best.trial, best.rung + 1)


def top(losses: Losses, rung: int, eta: int) -> list[int]:
    """Returns the trials with the lowest losses of a rung, 1 in `eta` of all there; never a lost one."""
    ranked = sorted((loss, job.trial) for job, loss in losses.items() if job.rung == rung)
    return [trial for loss, trial in ranked[: len(ranked) // eta] if math.isfinite(loss)]


def rungs(settings: Settings) -> tuple[int, ...]:
    """Returns the epochs of each rung: min_epochs * eta^k, the last of them stretched to all epochs.

    Raises:
      UsageError: a number out of its range; so few trials that none would be trained to its end.
    """
    epochs, eta = settings.epochs, settings.eta
    if not 2 <= eta <= epochs:
        raise UsageError(f"eta must be from 2 to {epochs}, the epochs of a whole training, not {eta}")
    first = max(1, epochs // eta**3) if settings.min_epochs is None else settings.min_epochs
    if not 1 <= first <= epochs // eta:
        raise UsageError(f"min_epochs must be from 1 to {epochs // eta}, all epochs / eta, not {first}")
    found = [first]
    while found[-1] * eta <= epochs:
        found.append(found[-1] * eta)
    least = eta ** (len(found) - 1)
    if settings.trials < least:
        raise UsageError(
            f"{settings.trials} trials are too few for {len(found)} rungs, the last would stay empty: take "
            f"{least} or more, or a larger min_epochs than {first}"
        )
    return (*found[:-1], epochs)


def _random(settings: Settings) -> Search:
    return Halving(settings, (settings.epochs,))


def _asha(settings: Settings) -> Search:
    return Halving(settings, rungs(settings))


def _optuna(settings: Settings) -> Search:
    from vae_jax.sweeps.tpe import Tpe

    return Tpe(settings)


class Algorithm(NamedTuple):
    """How a search is made of its settings, and its usual batch."""

    search: Callable[[Settings], Search]
    batch: int


ALGORITHMS = {
    "asha": Algorithm(_asha, 32),  # the widest population
    "optuna": Algorithm(_optuna, 8),  # each learns from those before
    "random": Algorithm(_random, 32),
}
