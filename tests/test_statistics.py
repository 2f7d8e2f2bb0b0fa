import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from vae_jax.statistics import Estimate, estimate

few = settings(max_examples=50, deadline=None)
values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=10)


@given(values)
@few
def test_interval_is_students(numbers):
    found = estimate(numbers)
    spread = np.std(numbers, ddof=1) / math.sqrt(len(numbers))
    low, high = (
        t.interval(0.95, len(numbers) - 1, np.mean(numbers), spread) if spread else [np.mean(numbers)] * 2
    )
    np.testing.assert_allclose((found.low, found.high), (low, high), rtol=1e-9, atol=1e-6)
    assert found.count == len(numbers)


def test_three_values_by_hand():
    # Mean 2, standard deviation 1, and t = 4.3027 of a table for 2 degrees of freedom.
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)


def test_interval_holds_the_true_mean_nineteen_times_of_twenty():
    draws = np.random.RandomState(0).normal(size=(2000, 3))
    inside = [found.low <= 0 <= found.high for found in map(estimate, draws)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


@given(values, st.floats(-100, 100), st.floats(0.1, 100))
@few
def test_estimate_moves_and_stretches_with_its_values(numbers, shift, scale):
    before, after = estimate(numbers), estimate([scale * number + shift for number in numbers])
    assert after.mean == pytest.approx(scale * before.mean + shift, rel=1e-6, abs=1e-6)
    assert after.half_width == pytest.approx(scale * before.half_width, rel=1e-6, abs=1e-6)


def test_equal_values_have_no_spread():
    assert estimate([0.5, 0.5, 0.5]) == (0.5, 0.0, 3)


def test_single_value_has_no_interval():
    found = estimate([3.0])
    assert (found.mean, found.count) == (3.0, 1)
    assert math.isnan(found.half_width)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="no values"):
        estimate([])


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Estimate(97.12345, 0.1234, 3), "97.12 ± 0.12"),
        (Estimate(97.12345, 12.34, 3), "97 ± 12"),
        (Estimate(0.0123456, 0.00098, 3), "0.01235 ± 0.00098"),
        (Estimate(-97.12345, 1.234, 3), "-97.1 ± 1.2"),
        (Estimate(1234.4, 150.0, 3), "1234 ± 150"),
        (Estimate(0.5, 0.0, 3), "0.5000 ± 0.0000"),
        (Estimate(0.0, 0.0, 3), "0.000 ± 0.000"),
        (Estimate(39504.0, 0.0, 3), "39504 ± 0"),
        (Estimate(5.785714, 1e-16, 3), "5.786 ± 0.000"),
        (Estimate(97.12345, math.nan, 1), "97.12"),
        (Estimate(0.5, math.nan, 1), "0.5"),
        (Estimate(39504.3, math.nan, 1), "39504"),
        (Estimate(math.inf, math.nan, 1), "inf"),
        (Estimate(math.nan, math.nan, 2), "nan"),
    ],
)
def test_text_has_two_digits_of_the_uncertainty(found, text):
    assert str(found) == text
