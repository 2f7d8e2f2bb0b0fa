"""Schedule: which runs train together, how many at once, in how many threads or processes.

By cost, measured on this machine (`speed`): every choice is the one whose estimate of the whole
sweep is least.
"""

import dataclasses
import itertools
import pathlib
import statistics
import sys
from collections.abc import Mapping, Sequence

import jax

from vae_jax import cost
from vae_jax.launch import Outcome
from vae_jax.paths import locked, make_dir
from vae_jax.sweeps import filling, speed
from vae_jax.sweeps.buckets import (
    Bucket,
    Group,
    best_buckets,
    guess,
    guess_evaluation,
    largest,
    memory,
    same_sizes,
    steps_per_epoch,
)
from vae_jax.sweeps.cores import gpus, most, sharers, threads
from vae_jax.sweeps.plan import Planned
from vae_jax.sweeps.population import Population, at_sizes, set_aside, sizes_of, unfinished
from vae_jax.sweeps.speed import Speed

WIDTHS = {"cpu": (1, 8, 32), "gpu": (1, 8, 32, 64)}  # of populations; at 128 an H200 is no faster
WORTH_MEASURING = 60.0  # seconds of a sweep, roughly; its longest group is then measured,
WORTH_MEASURING_TOO = 200.0  # and every other that is as long as this
MEMORY_SHARE = 0.8  # of the machine's, for all populations in flight
HALVINGS, CLEARLY = 4, 0.98  # how often a bucket is halved for each slot, and for how much less time
MORE_PROGRAMS = 1.5  # all programs of a population against that of training: it is evaluated, too

Strategy = tuple[float, list[Bucket], int]  # seconds, buckets, slots


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What is left to do of a sweep, and how.

    Attributes:
      populations: in the order in which they begin.
      slots: how many populations train at the same time.
      programs: how many different programs there are to compile.
      seconds: estimate of all of it.
      measured: whether by measured speeds; else it is a guess: for so few runs it is not worth while,
        or an earlier launch has begun, and nobody knows how far it is.
      memory: bytes that the populations in flight keep at least.
      own_sizes: lines that say which runs are not filled up to common sizes, and why.
    """

    populations: tuple[Population, ...]
    slots: int
    programs: int
    seconds: float
    measured: bool
    memory: int
    own_sizes: tuple[str, ...] = ()


def schedule(
    planned: Sequence[Planned], workdir: pathlib.Path, slots: int | None = None, alone: bool = False
) -> Schedule:
    """Returns how to train the runs that are not over.

    Populations that an earlier launch left unfinished stay as they are, so that their runs go on
    to the same bits; of two that share a run, the one that a process trains, else the larger.

    Args:
      slots: how many populations at the same time; None for the number that costs least.
      alone: every run by itself, at its own sizes: by the very program that trains one run.
    """
    every = {entry.run.id for entry in planned}
    todo = {entry.run.id for entry in planned if not entry.over}
    fit = [population for population in unfinished(workdir) if _fits(population, alone)]
    kept = _kept(sorted(fit, key=lambda p: (not p.is_held(workdir), -len(p.configs))), every, todo)
    left = todo.difference(*(population.run_ids() for population in kept))
    entries = [entry for entry in planned if entry.run.id in left]
    groups, own_sizes = (same_sizes(entries), ()) if alone else filling.groups(entries)
    seconds, new, chosen = _decide(groups, slots, alone)
    populations = (*kept, *(bucket.population() for bucket in new))
    programs = {(population.task, population.width) for population in populations}
    sizes = sorted((memory(p.configs[0], p.sizes, p.width) for p in populations), reverse=True)
    if kept:  # how many were to train at once, nobody knows any more
        chosen = slots or _fitting(sizes)
    measured = seconds is not None and not kept
    if not measured:
        seconds = _seconds_unmeasured([entry for entry in planned if not entry.over], len(programs))
    return Schedule(populations, chosen, len(programs), seconds, measured, sum(sizes[:chosen]), own_sizes)


def _fits(population: Population, alone: bool) -> bool:
    """Whether an earlier launch's population may stay: an earlier version filled up whatever there was."""
    if alone:
        own = {sizes_of(config) for config in population.configs}
        return population.width == 1 and own == {population.sizes}
    return filling.why_not(population.configs, population.sizes) is None


def _kept(earlier: Sequence[Population], every: set[str], todo: set[str]) -> list[Population]:
    """Returns the populations that stay: no run is in two of them."""
    kept, taken = [], set()
    for population in earlier:
        ids = population.run_ids()
        if ids <= every and ids & todo and not ids & todo & taken:
            kept.append(population)
            taken |= ids
    return kept


def _fitting(sizes: Sequence[int]) -> int:
    """Returns how many populations go into memory together, the largest first; at least one."""
    room = MEMORY_SHARE * cost.memory_limit() * max(gpus(), 1)
    within = [total <= room for total in itertools.accumulate(sizes[: most()])]
    return max(sum(within), 1)


def settle(
    planned: Sequence[Planned], workdir: pathlib.Path, slots: int | None = None, alone: bool = False
) -> Schedule:
    """Makes a `schedule` and writes its populations, so that a launch after this one joins them.

    A population whose runs are all over, which a kill kept from being removed, is removed.
    """
    over = {entry.run.id for entry in planned if entry.over}
    with locked(make_dir(workdir) / ".lock"):
        for path, aside in set_aside(workdir):
            print(f"'{path}' is damaged: set aside as '{aside}'", file=sys.stderr)
        earlier = unfinished(workdir)
        for population in earlier:
            if population.run_ids() <= over and not population.is_held(workdir):
                population.remove(workdir)
        found = schedule(planned, workdir, slots, alone)
        _tell_anew(earlier, found.populations, planned)
        for population in found.populations:
            population.write(workdir)
    return found


def _tell_anew(
    earlier: Sequence[Population], chosen: Sequence[Population], planned: Sequence[Planned]
) -> None:
    """Says how many runs begin anew: their training so far is in a population that does not stay."""
    stays = {population.id for population in chosen}
    lost = set().union(*(population.run_ids() for population in earlier if population.id not in stays))
    lost -= set().union(*(population.run_ids() for population in earlier if population.id in stays))
    left = [entry.run for entry in planned if not entry.over and entry.run.id in lost]
    begun = sum(run.last_metrics() is not None and not run.is_held for run in left)
    if begun:
        wrong = any(p.id not in stays and filling.why_not(p.configs, p.sizes) for p in earlier)
        hint = "" if wrong else "; the command that began them would go on with them"
        told = f"{begun} of these runs were begun together with others: they begin anew here{hint}"
        print(told, file=sys.stderr)


def learn(schedule: Schedule, outcomes: Sequence[Outcome]) -> None:
    """Keeps the speeds that were seen, for the schedules to come."""
    here = jax.local_devices()[0].device_kind  # that of a cluster says nothing of this machine
    seen = {o.run.id: o.result for o in outcomes if o.status == "completed" and o.result["device"] == here}
    for population in schedule.populations:
        results = [seen[run_id] for run_id in population.run_ids() if run_id in seen]
        if len(results) >= population.width:  # else most of it was done before, or at another width
            config = at_sizes(population.configs[0], population.sizes)
            epoch, evaluation = (_median(results, f"{part}_seconds") for part in ("epoch", "evaluation"))
            step = epoch / steps_per_epoch(config) / schedule.slots
            told = {"run_step_seconds": step, "evaluation_seconds": evaluation}
            speed.learn(config, population.width, schedule.slots, **told)


def _median(results: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(result[name] for result in results)


def _decide(
    groups: Sequence[Group], slots: int | None, alone: bool
) -> tuple[float | None, list[Bucket], int]:
    """Returns the best strategy for runs that may share a program; no seconds where nothing was measured."""
    groups = sorted(groups, key=_seconds_guessed, reverse=True)
    if alone or sum(map(_seconds_guessed, groups)) < WORTH_MEASURING:
        _, buckets, slots = _unmeasured(groups, slots or threads(), alone)
        return None, buckets, slots
    best = _strategy(groups, slots or most())
    if best[2] == 1 or slots:
        return best
    # Were one as fast as all of them together: if it lost even so, nothing need be measured.
    ideal = _strategy(groups, 1, measured_with=best[2])
    if ideal[0] >= best[0]:
        return best
    return min(best, _strategy(groups, 1), key=lambda strategy: strategy[0])


def _seconds_guessed(group: Sequence[Planned]) -> float:
    return sum(map(guess, group))


def _seconds_unmeasured(entries: Sequence[Planned], programs: int) -> float:
    training = _seconds_guessed(entries) + sum(map(guess_evaluation, entries))
    return MORE_PROGRAMS * speed.COMPILE_SECONDS * programs + training


def _unmeasured(groups: Sequence[Group], slots: int, alone: bool) -> Strategy:
    """Returns what is likely to be good where a trial would take as long as the runs."""
    steps = [sum(entry.steps for entry in group) for group in groups]
    widths = [1 if alone else _roomy(group, slots)[-1] for group in groups]
    buckets = [
        Bucket(group, width, speed.COMPILE_SECONDS, _seconds_guessed(group) / count)
        for group, width, count in zip(groups, widths, steps, strict=True)
    ]
    return _balanced(buckets, slots)


def _strategy(groups: Sequence[Group], slots: int, measured_with: int | None = None) -> Strategy:
    """Returns the best that so many populations at the same time can do.

    Args:
      measured_with: of how many the speeds are; None for their own number.
    """
    buckets = []
    for group in groups:
        measured = group if _seconds_guessed(group) > WORTH_MEASURING_TOO else groups[0]
        config = at_sizes(measured[0].config, largest(measured))
        speeds = speed.speeds(config, _widths(measured, slots), measured_with or slots)
        buckets += _best_width(group, measured, speeds, slots)
    return _balanced(buckets, slots)


def _best_width(group: Group, measured: Group, speeds: Mapping[int, Speed], slots: int) -> list[Bucket]:
    """Returns how to train a group, by the speeds of the one that is measured."""
    options = []
    for width in sorted(speeds.keys() & _widths(group, slots) or speeds.keys()):
        # Of one slot: that all of them together are faster shows when their work is shared out.
        compiling = MORE_PROGRAMS * speeds[width].compile_seconds
        step = speeds[width].run_step_seconds * slots
        found = dataclasses.replace(speeds[width], compile_seconds=compiling, run_step_seconds=step)
        options.append(best_buckets(group, width, found, measured))
    return min(options, key=lambda buckets: sum(bucket.seconds for bucket in buckets))


def _widths(group: Group, slots: int) -> list[int]:
    """Returns the widths worth a look: no wider than there are runs, or than memory holds."""
    runs = max(2, len(group) // slots)
    return [width for width in _roomy(group, slots) if width <= runs]


def _roomy(group: Group, slots: int) -> list[int]:
    """Returns the widths that memory holds, so many populations at once, and 1 in any case."""
    room = MEMORY_SHARE * cost.memory_limit() / sharers(slots)
    widths = WIDTHS["gpu" if gpus() else "cpu"]
    return [w for w in widths if w == 1 or memory(group[0].config, largest(group), w) <= room]


def _balanced(buckets: Sequence[Bucket], slots: int) -> Strategy:
    """Halves the longest bucket again and again, as often as all are done clearly sooner for it.

    One halving may win nothing and the next much: 15 and 9 runs, then 9, 8 and 7, then 8, 7, 5 and 4.
    """
    chosen = sorted(buckets, key=lambda bucket: -bucket.seconds)
    best, seconds = chosen, _makespan(chosen, slots)
    for _ in range(HALVINGS * slots if chosen else 0):
        longest, *others = chosen
        chosen = sorted([*longest.halves(), *others], key=lambda bucket: -bucket.seconds)
        if (found := _makespan(chosen, slots)) < CLEARLY * seconds:
            best, seconds = chosen, found
    return seconds, best, slots


def _makespan(buckets: Sequence[Bucket], slots: int) -> float:
    """Returns the seconds until all are done, when whoever is free takes the longest that is left."""
    busy = [0.0] * slots
    for bucket in sorted(buckets, key=lambda bucket: -bucket.seconds):
        busy[busy.index(min(busy))] += bucket.seconds
    return max(busy)
