import math

import numpy as np
import pytest
from scipy.stats import kstest, norm

from vae_jax.evaluate.kolmogorov import (
    EXPONENTIAL,
    gaussian_density,
    kolmogorov_distance,
    one_of,
    rate,
    standardized_means,
)

RNG = np.random.default_rng


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (2.0, 0.5), (-1.0, 3.0)])
def test_density_is_that_of_the_normal_distribution(mean, sigma):
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(gaussian_density(x, mean, sigma), norm.pdf(x, mean, sigma), rtol=1e-12)


def test_distance_of_gaussian_draws_is_chance_and_of_far_ones_1():
    values = RNG(0).normal(size=100_000)
    assert kolmogorov_distance(values) < 2 / math.sqrt(len(values))
    assert kolmogorov_distance(values + 100) == pytest.approx(1)


def test_distance_by_hand():
    assert kolmogorov_distance(np.zeros(7)) == 0.5  # all mass on the middle
    # Half on -1 and half on 1: the step at 1 is from 1/2 to 1, where Φ is 0.8413.
    assert kolmogorov_distance(np.array([-1.0, 1.0])) == pytest.approx(norm.cdf(1) - 0.5)


def test_distance_is_that_of_the_kolmogorov_smirnov_test():
    values = RNG(1).exponential(size=500)
    assert kolmogorov_distance(values) == pytest.approx(kstest(values, "norm").statistic)


def test_averages_of_the_exponential_are_as_far_as_theory_says():
    # |skewness| / (6 √(2πn)) to first order (Esseen 1945); the skewness of the exponential is 2.
    means = standardized_means(EXPONENTIAL, 25, 200_000, RNG(0))
    assert means.mean() == pytest.approx(0, abs=0.01)
    assert means.std() == pytest.approx(1, abs=0.01)
    expected = 2 / (6 * math.sqrt(2 * math.pi * 25))
    assert kolmogorov_distance(means) == pytest.approx(expected, abs=3 / math.sqrt(len(means)))


def test_moments_are_those_of_the_draws():
    draws = EXPONENTIAL.draw(RNG(0), 1_000_000)
    found = draws.mean(), draws.std(), (np.abs(draws - 1) ** 3).mean()
    assert found == pytest.approx(EXPONENTIAL[1:], rel=0.02)
    coin = one_of(np.array([0.0, 1.0]))
    assert coin[1:] == (0.5, 0.5, 0.125)
    assert set(coin.draw(RNG(0), 100)) == {0.0, 1.0}


def test_bound_of_a_coin_falls_with_the_root_of_the_count():
    coin = one_of(np.array([0.0, 1.0]))  # E|x - μ|³ = σ³
    assert coin.bound(1) == pytest.approx(0.4748)
    assert coin.bound(16) == pytest.approx(0.4748 / 4)


def test_rate_of_powers_is_their_exponent():
    counts = np.array([1, 2, 4, 8])
    assert rate(counts, 0.3 * counts**-0.5) == pytest.approx(-0.5)
    assert rate(counts, 3.0 * counts**-1.0) == pytest.approx(-1.0)
