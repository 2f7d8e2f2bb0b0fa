"""How far a distribution is from the Gaussian: Kolmogorov's distance, and averages that shrink it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# A constant that is known to hold for independent draws of one distribution (Shevtsova 2011).
BERRY_ESSEEN = 0.4748


def gaussian_density(x: np.ndarray, mean: float, sigma: float) -> np.ndarray:
    """Returns the density of N(μ, σ²) at x: Eq. 4 of the post."""
    return np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


class Variable(NamedTuple):
    """A random variable of which averages are taken.

    Attributes:
      draw: (rng, size) -> that many draws.
      mean, sigma: of one draw.
      third_moment: E|x - μ|³, which says how unlike a Gaussian it is.
    """

    draw: Callable[[np.random.Generator, int], np.ndarray]
    mean: float
    sigma: float
    third_moment: float

    def bound(self, count: int) -> float:
        """Returns what Kolmogorov's distance of averages of `count` draws cannot exceed."""
        return BERRY_ESSEEN * self.third_moment / (self.sigma**3 * math.sqrt(count))


EXPONENTIAL = Variable(lambda rng, size: rng.exponential(size=size), 1.0, 1.0, 12 / math.e - 2)


def one_of(values_N: np.ndarray) -> Variable:
    """Returns the random variable that is any of the values with the same probability."""
    mean = float(values_N.mean())
    third = float((np.abs(values_N - mean) ** 3).mean())
    return Variable(lambda rng, size: rng.choice(values_N, size), mean, float(values_N.std()), third)


def standardized_means(variable: Variable, count: int, averages: int, rng: np.random.Generator) -> np.ndarray:
    """Returns averages of `count` draws each, less their mean and over their standard deviation.

    The draws are made in turns, so that memory does not grow with `count`.
    """
    total = np.zeros(averages)
    for _ in range(count):
        total += variable.draw(rng, averages)
    return (total / count - variable.mean) * math.sqrt(count) / variable.sigma


def kolmogorov_distance(values_N: np.ndarray) -> float:
    """Returns sup |F - Φ|, F being the share of values up to a point: 0 is N(0, 1), 1 nothing like it.

    N draws of N(0, 1) itself are about 0.87 / √N away.
    """
    from scipy.special import ndtr

    values, counts = np.unique(values_N, return_counts=True)
    after = np.cumsum(counts) / len(values_N)
    before = np.concatenate([[0.0], after[:-1]])
    normal = ndtr(values)
    return float(max((after - normal).max(), (normal - before).max()))


def rate(counts: np.ndarray, distances: np.ndarray) -> float:
    """Returns the slope of log distance against log count: -1/2 by Berry and Esseen."""
    return float(np.polyfit(np.log(counts), np.log(distances), 1)[0])
