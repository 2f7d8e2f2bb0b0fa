"""Means over seeds with their confidence intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean over `count` independent values and the half-width of its 95% interval.

    The half-width is NaN for a single value: one run says nothing about its spread.
    """

    mean: float
    half_width: float
    count: int

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width

    def __str__(self) -> str:
        if math.isnan(self.half_width):
            return np.format_float_positional(self.mean, _decimals(0.0, self.mean), trim="-")
        decimals = _decimals(self.half_width, self.mean)
        return f"{self.mean:.{decimals}f} ± {self.half_width:.{decimals}f}"


def estimate(values: Sequence[float]) -> Estimate:
    """Returns the mean and its 95% confidence interval by Student's t distribution.

    Raises:
      ValueError: there are no values.
    """
    from scipy.special import stdtrit  # 0.2 s: not worth it for every command

    count = len(values)
    if not count:
        raise ValueError("no values to estimate a mean from")
    mean = float(np.mean(values))
    if count == 1:
        return Estimate(mean, math.nan, 1)
    standard_error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(mean, float(stdtrit(count - 1, 0.975)) * standard_error, count)


def _decimals(half_width: float, mean: float) -> int:
    """Two significant digits of the uncertainty, or four of the mean where it is exact."""
    if not math.isfinite(mean + half_width):
        return 0
    digits = (half_width, 1) if half_width > 1e-9 * abs(mean) else (abs(mean) or 1.0, 3)
    return min(max(digits[1] - math.floor(math.log10(digits[0])), 0), 12)
