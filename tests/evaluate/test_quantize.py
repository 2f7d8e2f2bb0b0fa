import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.evaluate.quantize import bits_at, code_length, dequantize, fit_grid, frontier, quantize

CODES = np.random.default_rng(0).normal(size=(1000, 4)) * [0.1, 1.0, 20.0, 0.0]


@given(st.integers(1, 12), st.booleans())
@settings(max_examples=24, deadline=None)
def test_rounding_is_off_by_half_a_cell_at_most(bits, one_step):
    grid = fit_grid(CODES, bits, one_step)
    symbols = quantize(grid, CODES)
    assert symbols.min() >= 0
    assert (symbols.max(0) < grid.cells).all()
    assert grid.cells.max() == 2**bits
    assert (np.abs(dequantize(grid, symbols) - CODES) <= grid.step * (0.5 + 1e-6)).all()


def test_with_one_step_for_all_a_small_range_takes_few_cells_around_its_middle():
    grid = fit_grid(CODES, 4, one_step=True)
    symbols = quantize(grid, CODES)
    assert grid.cells.tolist() == [1, 1, 16, 1]
    assert symbols.max(0).tolist() == [0, 0, 15, 0]
    middle = (CODES[:, 0].min() + CODES[:, 0].max()) / 2
    np.testing.assert_allclose(dequantize(grid, symbols)[:, 0], middle)
    np.testing.assert_allclose(grid.step, np.ptp(CODES[:, 2]) / 16)


def test_code_outside_the_grid_goes_to_its_edge():
    grid = fit_grid(np.array([[0.0], [1.0]]), 2)
    assert quantize(grid, np.array([[-5.0], [0.3], [1.0], [9.0]])).ravel().tolist() == [0, 1, 3, 3]


def test_dimension_that_never_changes_costs_next_to_nothing_and_is_rebuilt():
    grid = fit_grid(np.full((5, 1), 2.5), 4)
    symbols = quantize(grid, np.full((5, 1), 2.5))
    np.testing.assert_allclose(dequantize(grid, symbols), 2.5)
    many = np.zeros((100_000, 1), int)
    assert code_length(many, many, [16]) == pytest.approx(0, abs=1e-3)


def test_symbols_that_are_all_as_frequent_take_all_bits():
    symbols = np.tile(np.arange(8), 5000)[:, None].repeat(2, axis=1)
    assert code_length(symbols, symbols, [8, 8]) == pytest.approx(2 * 3)


def test_length_is_the_entropy_of_what_is_known_and_longer_for_what_is_not():
    known = np.repeat([0, 1, 2], [50_000, 25_000, 25_000])[:, None]
    assert code_length(known, known, [4]) == pytest.approx(1.5, abs=1e-3)
    assert code_length(known, np.full((10, 1), 1), [4]) == pytest.approx(2, abs=1e-3)
    impossible = code_length(known, np.full((10, 1), 3), [4])
    assert impossible == pytest.approx(math.log2(100_004))


def test_frontier_keeps_what_no_other_point_beats():
    points = [(3.0, 0.1), (1.0, 0.5), (2.0, 0.6), (4.0, 0.1), (5.0, 0.05)]
    assert frontier(points) == [(1.0, 0.5), (3.0, 0.1), (5.0, 0.05)]


def test_bits_at_an_error_between_and_beyond_the_points():
    points = [(1.0, 1.0), (3.0, 0.01)]
    assert bits_at(points, 0.1) == pytest.approx(2.0)  # half way in the logarithm
    assert bits_at(points, 0.01) == pytest.approx(3.0)
    assert bits_at(points, 7.0) == 1.0
    assert math.isnan(bits_at(points, 0.001))
