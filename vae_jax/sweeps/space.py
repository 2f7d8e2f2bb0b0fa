"""Spaces to search: a config field -> the values that it may take, and draws from them.

They stand beside a config as its named sweeps do: def search_sizes(): return {"latent_size":
log_integers(2, 64)}.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from vae_jax.config import override
from vae_jax.errors import UsageError

BUDGET = ("num_epochs", "stop_epoch")
MEASURE = ("dataset", "binarize", "objective", "beta")  # what the validation loss depends on by itself
DIGITS = 4


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Numbers from `low` to `high`, evenly, or evenly in their logarithm.

    Raises:
      UsageError: an empty interval, or one that has no logarithm.
    """

    low: float
    high: float
    log: bool

    def __post_init__(self):
        _check_interval(self)

    def at(self, quantile: float) -> float:
        """Returns the value below which a share of `quantile`, in [0, 1), of the values lies."""
        return self.rounded(_between(self.low, self.high, self.log, quantile))

    def rounded(self, value: float) -> float:
        """Returns the value to so many digits that it can be read and typed."""
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


@dataclasses.dataclass(frozen=True)
class Integers:
    """Whole numbers from `low` to `high`, both included, evenly, or about evenly in their logarithm."""

    low: int
    high: int
    log: bool

    def __post_init__(self):
        if not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise UsageError(f"a range of integers is between integers, not {self.low} and {self.high}")
        _check_interval(self)

    def at(self, quantile: float) -> int:
        """See `Uniform.at`."""
        value = math.floor(_between(self.low, self.high + 1, self.log, quantile))
        return min(max(value, self.low), self.high)


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some values, each as likely as the others."""

    values: tuple[Any, ...]

    def __post_init__(self):
        if not self.values:
            raise UsageError("a choice needs something to choose from")

    def at(self, quantile: float) -> Any:
        """See `Uniform.at`."""
        return self.values[min(int(quantile * len(self.values)), len(self.values) - 1)]


KINDS = (Uniform, Integers, Choice)
Space = Mapping[str, Uniform | Integers | Choice]


def uniform(low: float, high: float) -> Uniform:
    return Uniform(low, high, log=False)


def log_uniform(low: float, high: float) -> Uniform:
    return Uniform(low, high, log=True)


def integers(low: int, high: int) -> Integers:
    return Integers(low, high, log=False)


def log_integers(low: int, high: int) -> Integers:
    return Integers(low, high, log=True)


def choice(*values: Any) -> Choice:
    return Choice(values)


def check_space(space: Space, config: ConfigDict) -> None:
    """Raises UsageError for a field that `config` lacks, that holds something else, or that must stay."""
    for name, values in space.items():
        override(config, {name: values.at(0.0)})
        if name in BUDGET:
            raise UsageError(f"{name} cannot be searched: how far a trial is trained is the search's to say")
        if name in MEASURE:
            raise UsageError(f"{name} cannot be searched: validation losses would not be comparable")


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Returns the values of trial `number`, the same whatever else is drawn.

    Every field has random numbers of its own: one more in the space leaves the others as they are.
    """
    return {name: values.at(_quantile(seed, number, name)) for name, values in space.items()}


def _quantile(seed: int, number: int, name: str) -> float:
    sequence = np.random.SeedSequence([seed, number, *name.encode()])
    return np.random.default_rng(sequence).random()


def _between(low: float, high: float, log: bool, quantile: float) -> float:
    if log:
        return math.exp(_between(math.log(low), math.log(high), False, quantile))
    return low + quantile * (high - low)


def _check_interval(interval: Uniform | Integers) -> None:
    low, high = interval.low, interval.high
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"an interval is from a number to a larger one, not from {low} to {high}")
    if interval.log and low <= 0:
        raise UsageError(f"an interval in the logarithm begins above 0, not at {low}")
