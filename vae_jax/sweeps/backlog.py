"""Backlog: the populations that are left to train, where other processes may train the same runs."""

import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vae_jax.errors import UsageError
from vae_jax.launch import Outcome
from vae_jax.runs import Run
from vae_jax.sweeps.population import Population


class PutOff(NamedTuple):
    """What a population waits for.

    Attributes:
      held: its runs that other processes train, by their ids.
      failed: whether another of its runs failed.
    """

    held: dict[str, Run]
    failed: bool


class Backlog:
    """Populations in the order in which they are to begin.

    One of which another process trains some runs has trained the others first: it is put off, and
    holds nothing meanwhile, so that no two processes wait for each other.
    """

    def __init__(self, populations: Sequence[Population], workdir: pathlib.Path):
        self._waiting, self._workdir = list(populations), workdir
        self._put_off: dict[str, PutOff] = {}
        self._said: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> Population | None:
        """Takes the first population that can train now; None where all wait, and says for whom."""
        for population in self._waiting:
            if self._is_free(population):
                self._waiting.remove(population)
                self._put_off.pop(population.id, None)
                return population
        if self._waiting:
            self._say(self._waiting[0])
        return None

    def put_back(self, population: Population) -> None:
        """Gives back one that was taken: the next in turn."""
        self._waiting.insert(0, population)

    def put_off(self, population: Population, held: Mapping[str, Run], failed: bool) -> None:
        """Gives back one that was taken, until one of its runs that others train is let go."""
        self._waiting.append(population)
        self._put_off[population.id] = PutOff(dict(held), failed)

    def found(self) -> Iterator[Outcome]:
        """Yields what others have finished of the runs that they train; a population without more ends."""
        for population in [each for each in self._waiting if each.id in self._put_off]:
            held, failed = self._put_off[population.id]
            for run in tuple(held.values()):
                if run.ended and (result := _result(run)):
                    del held[run.id]
                    yield Outcome(run, result["status"], result)
            if not held:
                self._waiting.remove(population)
                del self._put_off[population.id]
                if not failed:
                    population.remove(self._workdir)

    def _is_free(self, population: Population) -> bool:
        held = self._put_off[population.id].held.values() if population.id in self._put_off else ()
        let_go = not held or not all(run.is_held for run in held)
        return let_go and not population.is_held(self._workdir)

    def _say(self, population: Population) -> None:
        if population.id in self._said:
            return
        self._said.add(population.id)
        told = f"another process trains population {population.id}: waiting for it"
        if population.id in self._put_off:
            first, *others = self._put_off[population.id].held.values()
            told = f"run '{first.path}' is being trained by another process: waiting for it"
            if others:
                told = f"{told} and {len(others)} more"
        print(told, file=sys.stderr)


def _result(run: Run) -> dict | None:
    try:
        return run.final_result()
    except UsageError:  # damaged: said in full by who takes the run over
        return None
