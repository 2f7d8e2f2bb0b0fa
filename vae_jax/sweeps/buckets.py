"""Buckets: runs of different sizes that share one program, padded to the largest among them."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence

from ml_collections import ConfigDict

from vae_jax import build, cost, data
from vae_jax.sweeps.plan import Planned
from vae_jax.sweeps.population import Population, at_sizes, sizes_of
from vae_jax.sweeps.speed import Speed

STEP_SECONDS = 1e-4  # of a step, beside its arithmetic
WRITE_SECONDS = 0.2  # of a run's evaluation, beside its arithmetic

Group = list[Planned]  # runs whose programs are the same but for sizes


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Runs that train in one process, by one program.

    Attributes:
      width: how many at a time.
      setup_seconds: until it trains.
      step_seconds: of one run's step.
      evaluation_seconds: of one run after its training.
    """

    runs: Group
    width: int
    setup_seconds: float = 0.0
    step_seconds: float = 0.0
    evaluation_seconds: float = 0.0

    def __post_init__(self):
        """Makes it no wider than takes as many turns: a last turn of fewer runs is a program more."""
        turns = math.ceil(len(self.runs) / self.width)
        object.__setattr__(self, "width", math.ceil(len(self.runs) / turns))

    @property
    def seconds(self) -> float:
        training = self.step_seconds * _slot_steps(self.runs, self.width)
        return self.setup_seconds + training + self.evaluation_seconds * len(self.runs)

    def halves(self) -> list["Bucket"]:
        """Returns two buckets of half the runs each, or this one where there is but one run."""
        parts = [self.runs[i::2] for i in range(2) if self.runs[i::2]]
        return [dataclasses.replace(self, runs=part) for part in parts]

    def population(self) -> Population:
        return Population(tuple(entry.config for entry in self.runs), largest(self.runs), self.width)


def shared_programs(entries: Sequence[Planned]) -> list[Group]:
    """Returns the runs that differ in sizes alone; whether they may be filled up, `filling` says."""

    def smallest(entry: Planned) -> ConfigDict:
        return at_sizes(entry.config, (1, min(1, entry.config.bottleneck_width)))

    return _by_task(entries, smallest)


def same_sizes(entries: Sequence[Planned]) -> list[Group]:
    """Returns the runs that are of one program as they are."""
    return _by_task(entries, lambda entry: entry.config)


def _by_task(entries: Sequence[Planned], config: Callable[[Planned], ConfigDict]) -> list[Group]:
    groups: dict[object, Group] = {}
    for entry in entries:
        groups.setdefault((entry.config.dataset, build.task(config(entry))), []).append(entry)
    return list(groups.values())


def best_buckets(group: Group, width: int, measured: Speed, on: Group) -> list[Bucket]:
    """Returns the best way to pad: which sizes share a program.

    Sizes are sorted by what a step of theirs costs and cut into buckets; the cuts are the best of
    all, by dynamic programming.

    Args:
      measured: the speed of one process at this width, at the largest sizes of the group `on`.
    """
    by_cost = sorted(group, key=lambda entry: (entry.cost.flops_per_image, _sizes(entry)))
    sizes = [list(same) for _, same in itertools.groupby(by_cost, key=_sizes)]
    step_seconds = functools.partial(_step_seconds, measured.run_step_seconds, _flops(on), width)
    evaluation = measured.evaluation_seconds
    evaluation = guess_evaluation(group[-1]) if evaluation is None else evaluation

    @functools.cache
    def best(count: int) -> tuple[float, list[Bucket]]:
        options = []
        for first in range(count):
            runs = list(itertools.chain(*sizes[first:count]))
            costs = measured.compile_seconds, step_seconds(_flops(runs)), evaluation
            bucket = Bucket(runs, width, *costs)
            before, buckets = best(first)
            options.append((before + bucket.seconds, [*buckets, bucket]))
        return min(options, key=lambda option: option[0], default=(0.0, []))

    return best(len(sizes))[1]


def guess(entry: Planned) -> float:
    """Seconds of a run, roughly, before anything is measured: arithmetic, and what else a step takes."""
    return 2 * entry.flops / cost.matrix_rate() + STEP_SECONDS * entry.steps


def guess_evaluation(entry: Planned) -> float:
    """Seconds of what follows a run's training, roughly: most are those of the samples of the bound.

    A training step goes through encoder and decoder about three times, a sample through the decoder once.
    """
    images, samples = data.source(entry.config.dataset).sizes[2], entry.config.evaluation.iwae_samples
    samples = 1 if entry.config.posterior == "delta" else samples
    flops = images * samples * entry.cost.flops_per_image / 6
    return WRITE_SECONDS + 2 * flops / cost.matrix_rate()


def _step_seconds(measured: float, measured_flops: float, width: int, flops: float) -> float:
    """Returns the seconds of a run's step at other FLOPs than were measured.

    What a step takes beside its arithmetic is no less in a smaller model.
    """
    fixed = min(STEP_SECONDS / width, measured)
    return fixed + (measured - fixed) * flops / measured_flops


def _slot_steps(runs: Group, width: int) -> float:
    """Returns the steps that these runs take, those of idle slots included."""
    slots = math.ceil(len(runs) / width) * width
    return slots * sum(entry.steps for entry in runs) / len(runs)


def steps_per_epoch(config: ConfigDict) -> int:
    return data.source(config.dataset).sizes[0] // config.batch_size


def largest(runs: Group) -> tuple[int, int]:
    """Returns the largest latent size and the largest bottleneck width."""
    latent_sizes, widths = zip(*map(_sizes, runs), strict=True)
    return max(latent_sizes), max(widths)


def memory(config: ConfigDict, sizes: Sequence[int], width: int) -> int:
    """Returns the bytes that a population of these sizes keeps at least: its states, and those of a step."""
    task, shape = build.task(at_sizes(config, sizes)), data.source(config.dataset).image_shape
    return width * (cost.state_bytes(task, shape) + cost.step_bytes(task, shape))


def _sizes(entry: Planned) -> tuple[int, int]:
    return sizes_of(entry.config)


def _flops(runs: Group) -> float:
    """Returns the FLOPs per image of the program that these runs share."""
    config = at_sizes(runs[0].config, largest(runs))
    return cost.cost(build.task(config), data.source(config.dataset).image_shape).flops_per_image
