"""Codes as bits: quantised codes, and the length in bits that they take."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Grid(NamedTuple):
    """A uniform grid for each dimension: `low` + (symbol + 1/2) · `step`, symbols 0 to `cells` - 1; all Z."""

    low: np.ndarray
    step: np.ndarray
    cells: np.ndarray


def fit_grid(codes_NxZ: np.ndarray, bits: int, one_step: bool = False) -> Grid:
    """Returns a grid of 2**bits cells over the codes of each dimension, from the smallest to the largest.

    Args:
      one_step: every dimension has the step of the widest, so that one of small range takes fewer
        cells, around its middle: what is best for the coefficients of an orthonormal transform.
    """
    low, high = codes_NxZ.min(0), codes_NxZ.max(0)
    step = np.maximum(high - low, 1e-12) / 2**bits
    if not one_step:
        return Grid(low, step, np.full(len(step), 2**bits))
    cells = np.maximum(np.ceil((high - low) / step.max() - 1e-9), 1).astype(int)
    return Grid((low + high - cells * step.max()) / 2, np.full_like(step, step.max()), cells)


def quantize(grid: Grid, codes_NxZ: np.ndarray) -> np.ndarray:
    """Returns each code's cell in each dimension, integers NxZ; codes outside go to the last cell."""
    return np.clip((codes_NxZ - grid.low) // grid.step, 0, grid.cells - 1).astype(int)


def dequantize(grid: Grid, symbols_NxZ: np.ndarray) -> np.ndarray:
    """Returns the middles of the cells, NxZ."""
    return grid.low + (symbols_NxZ + 0.5) * grid.step


def code_length(known_NxZ: np.ndarray, symbols_MxZ: np.ndarray, cells_Z: Sequence[int]) -> float:
    """Returns the bits of one row of symbols, the mean over rows, under the table of known ones.

    It is what an arithmetic coder takes: the cross-entropy with the shares of the known symbols,
    every dimension by itself, the count of each of its cells raised by one so that none is impossible.
    """
    total = 0.0
    for known, symbols, cells in zip(known_NxZ.T, symbols_MxZ.T, cells_Z, strict=True):
        counts = np.bincount(known, minlength=cells) + 1.0
        total -= np.log2(counts / counts.sum())[symbols].mean()
    return float(total)


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points (bits, error) that no other beats in both, by rising bits."""
    best: list[tuple[float, float]] = []
    for bits, error in sorted(points):
        if not best or error < best[-1][1]:
            best.append((bits, error))
    return best


def bits_at(points: Sequence[tuple[float, float]], error: float) -> float:
    """Returns the bits at which the frontier of the points has this error.

    Between two points log error is linear in bits; NaN where no point has so small an error, the
    bits of the first point where all have a smaller one.
    """
    bits, errors = zip(*frontier(points), strict=True)
    if error < errors[-1]:
        return math.nan
    return float(np.interp(-np.log(error), -np.log(errors), bits))
