import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.evaluate.information import mutual_information
from vae_jax.posteriors import DiagonalGaussian

KEY = jax.random.key(0)


def posterior(means, variance):
    means = jnp.asarray(means, jnp.float32)
    return DiagonalGaussian(means, jnp.full_like(means, math.log(variance)))


def test_posteriors_that_are_all_the_same_tell_nothing():
    assert mutual_information(posterior(np.ones((20, 3)), 0.5), KEY, 5) == pytest.approx(0, abs=1e-6)


def test_posteriors_far_apart_tell_which_image_it_is():
    means = 100 * np.arange(20.0)[:, None]
    assert mutual_information(posterior(means, 1.0), KEY, 5) == pytest.approx(math.log(20), abs=1e-5)


def test_pairs_of_posteriors_tell_which_pair():
    means = 100 * np.repeat(np.arange(10.0), 2)[:, None]
    assert mutual_information(posterior(means, 1.0), KEY, 5) == pytest.approx(math.log(10), abs=1e-5)


@pytest.mark.parametrize(("spread", "noise"), [(1.0, 1.0), (0.5, 2.0), (2.0, 0.5)])
def test_a_gaussian_channel_has_the_information_of_shannon(spread, noise):
    # The quantiles of a normal in place of draws from it: only z is random.
    from scipy.special import ndtri

    means = spread * ndtri((np.arange(500) + 0.5) / 500)[:, None]
    expected = 0.5 * math.log(1 + spread**2 / noise**2)
    found = mutual_information(posterior(means, noise**2), KEY, 50)
    # Standard deviation of the log ratio below 1; the quantiles' own error below 1e-3.
    assert abs(found - expected) < 4 / math.sqrt(500 * 50) + 1e-3


def test_information_of_independent_dimensions_adds_up():
    one, other = np.meshgrid(100 * np.arange(4.0), 100 * np.arange(5.0))
    means = np.stack([one.ravel(), other.ravel()], axis=1)
    assert mutual_information(posterior(means, 1.0), KEY, 2) == pytest.approx(math.log(20), abs=1e-5)
