"""Schedule: which runs train together, how many at once, in how many processes.

By cost, measured on this machine (`speed`): every choice is the one whose estimate of the whole
sweep is least.
"""

import dataclasses
import functools
import itertools
import math
import pathlib
import statistics
from collections.abc import Sequence

from ml_collections import ConfigDict

from vae_jax import build, cost, data
from vae_jax.budgets import budget
from vae_jax.launch import Outcome
from vae_jax.paths import locked, make_dir
from vae_jax.sweeps import speed
from vae_jax.sweeps.cores import most
from vae_jax.sweeps.plan import Planned
from vae_jax.sweeps.population import Population, at_sizes, unfinished

WIDTHS = (1, 8, 32)
WORTH_MEASURING = 30.0  # seconds, roughly, of the runs that would share programs
WIDTH_UNMEASURED = 32
MEMORY_SHARE = 0.8  # of the machine's, for all populations in flight
START_SECONDS = 4.0  # of a worker process, with its data

Group = list[Planned]  # runs whose programs are the same but for sizes
Strategy = tuple[float, list[Population], int]  # seconds, populations, processes


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What is left to do of a sweep, and how.

    Attributes:
      populations: in the order in which they begin.
      processes: how many populations train at the same time.
      programs: how many different programs there are to compile.
      seconds: estimate of the training; NaN where nothing was measured.
      memory: bytes that the populations in flight keep at least.
    """

    populations: tuple[Population, ...]
    processes: int
    programs: int
    seconds: float
    memory: int


def schedule(
    planned: Sequence[Planned], workdir: pathlib.Path, processes: int | None = None, alone: bool = False
) -> Schedule:
    """Returns how to train the runs that are not over.

    Populations that an earlier launch left unfinished stay as they are, so that their runs go on
    to the same bits.

    Args:
      processes: how many; None for the number that costs least.
      alone: one run at a time, in one process: for runs whose seconds are to be compared.
    """
    every = {entry.run.id for entry in planned}
    todo = {entry.run.id for entry in planned if not entry.over}
    earlier = [(population, population.run_ids()) for population in unfinished(workdir)]
    kept = [(population, ids) for population, ids in earlier if ids <= every and ids & todo]
    left = todo.difference(*(ids for _, ids in kept))
    entries = [entry for entry in planned if entry.run.id in left]
    seconds, new, processes = _decide(entries, 1 if alone else processes, alone)
    populations = (*(population for population, _ in kept), *new)
    programs = {(population.task, population.width) for population in populations}
    sizes = sorted((_memory(p.configs[0], p.sizes, p.width) for p in populations), reverse=True)
    return Schedule(populations, processes, len(programs), seconds, sum(sizes[:processes]))


def settle(
    planned: Sequence[Planned], workdir: pathlib.Path, processes: int | None = None, alone: bool = False
) -> Schedule:
    """Makes a `schedule` and writes its populations, so that a launch after this one joins them."""
    with locked(make_dir(workdir) / ".lock"):
        found = schedule(planned, workdir, processes, alone)
        for population in found.populations:
            population.write(workdir)
    return found


def learn(schedule: Schedule, outcomes: Sequence[Outcome]) -> None:
    """Keeps the speeds that were seen, for the schedules to come."""
    seen = {o.run.id: o.result["epoch_seconds"] for o in outcomes if o.status == "completed"}
    for population in schedule.populations:
        seconds = [seen[run_id] for run_id in population.run_ids() if run_id in seen]
        if len(seconds) >= population.width:  # else most of it was done before, or at another width
            config = at_sizes(population.configs[0], population.sizes)
            step = statistics.median(seconds) / _steps_per_epoch(config) / schedule.processes
            speed.learn(config, population.width, schedule.processes, step)


def _decide(entries: Sequence[Planned], processes: int | None, alone: bool) -> Strategy:
    if alone:
        return math.nan, _populations([[entry] for entry in entries], 1, 1), 1
    groups = _groups(entries)
    if sum(map(_guess, entries)) < WORTH_MEASURING:
        return math.nan, _populations(groups, WIDTH_UNMEASURED, processes or 1), processes or 1
    choices = [processes] if processes else sorted({1, most()})
    return min((_strategy(groups, count) for count in choices), key=lambda strategy: strategy[0])


def _groups(entries: Sequence[Planned]) -> list[Group]:
    groups: dict[object, Group] = {}
    for entry in entries:
        smallest = (1, min(1, entry.config.bottleneck_width))
        task = build.task(at_sizes(entry.config, smallest))
        groups.setdefault((entry.config.dataset, task), []).append(entry)
    return list(groups.values())


def _guess(entry: Planned) -> float:
    """Seconds of a run, roughly, before anything is measured: arithmetic, and 0.3 ms for a step."""
    return 1.5 * entry.flops / cost.matrix_rate() + 3e-4 * _steps(entry)


def _strategy(groups: Sequence[Group], processes: int) -> Strategy:
    """Returns the best that so many processes can do."""
    seconds, populations = START_SECONDS * (processes > 1), []
    for group in groups:
        if (guess := sum(map(_guess, group))) < WORTH_MEASURING:  # a trial would take as long as its runs
            seconds += guess / processes
            populations += _populations([group], WIDTH_UNMEASURED, processes)
            continue
        options = [_best_buckets(group, width, processes) for width in _widths(group, processes)]
        best, chosen = min(options, key=lambda option: option[0])
        seconds += best
        populations += chosen
    return seconds, populations, processes


def _widths(group: Group, processes: int) -> list[int]:
    """Returns the widths worth a look: no wider than there are runs, or than memory holds."""
    room = MEMORY_SHARE * cost.memory_limit() / processes
    runs = max(2, len(group) // processes)
    wide = [w for w in WIDTHS if w <= runs and _memory(group[0].config, _largest(group), w) <= room]
    return wide or [1]


def _best_buckets(group: Group, width: int, processes: int) -> tuple[float, list[Population]]:
    """Returns the seconds and populations of the best way to pad: which sizes share a program.

    Sizes are sorted by what a step of theirs costs and cut into buckets, each padded to its
    largest; the cuts are the best of all, by dynamic programming.
    """
    measured = speed.speed(at_sizes(group[0].config, _largest(group)), width, processes)
    step_per_flop = measured.run_step_seconds / _flops(group)
    by_cost = sorted(group, key=lambda entry: (entry.cost.flops_per_image, _sizes(entry)))
    sizes = [list(same) for _, same in itertools.groupby(by_cost, key=_sizes)]

    @functools.cache
    def best(count: int) -> tuple[float, tuple[int, ...]]:
        if not count:
            return 0.0, ()
        options = []
        for first in range(count):
            bucket, (before, cuts) = list(itertools.chain(*sizes[first:count])), best(first)
            training = step_per_flop * _flops(bucket) * _slot_steps(bucket, width, processes)
            options.append((before + measured.compile_seconds + training, (*cuts, count)))
        return min(options)

    seconds, cuts = best(len(sizes))
    buckets = [list(itertools.chain(*sizes[a:b])) for a, b in itertools.pairwise((0, *cuts))]
    return seconds, _populations(buckets, width, processes)


def _slot_steps(bucket: Group, width: int, processes: int) -> float:
    """Returns the steps that these runs take, those of idle slots and processes included."""
    full, rest = divmod(math.ceil(len(bucket) / processes), width)
    last = width if rest else 0
    while last > 2 and last // 2 >= rest:
        last //= 2
    slots = (full * width + last) * processes
    return slots * sum(map(_steps, bucket)) / len(bucket)


def _populations(buckets: Sequence[Group], width: int, processes: int) -> list[Population]:
    """Cuts every bucket into as many populations as processes can share."""
    found = []
    for bucket in buckets:
        shares = min(processes, len(bucket))
        parts = [tuple(entry.config for entry in bucket[i::shares]) for i in range(shares)]
        found += [Population(part, _largest(bucket), min(width, len(part))) for part in parts]
    return found


def _steps(entry: Planned) -> int:
    return budget(entry.config) * _steps_per_epoch(entry.config)


def _steps_per_epoch(config: ConfigDict) -> int:
    return data.source(config.dataset).sizes[0] // config.batch_size


def _sizes(entry: Planned) -> tuple[int, int]:
    return entry.config.latent_size, entry.config.bottleneck_width


def _largest(bucket: Group) -> tuple[int, int]:
    latent_sizes, widths = zip(*map(_sizes, bucket), strict=True)
    return max(latent_sizes), max(widths)


def _flops(bucket: Group) -> float:
    """Returns the FLOPs per image of the program that these runs share."""
    config = at_sizes(bucket[0].config, _largest(bucket))
    return cost.cost(build.task(config), data.source(config.dataset).image_shape).flops_per_image


def _memory(config: ConfigDict, sizes: Sequence[int], width: int) -> int:
    shape = data.source(config.dataset).image_shape
    return width * cost.state_bytes(build.task(at_sizes(config, sizes)), shape)
