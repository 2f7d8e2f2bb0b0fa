import numpy as np
import pytest

from vae_jax.evaluate.independent import independent_pixels


def test_pixels_lit_half_the_time_cost_a_bit_each():
    images = np.random.default_rng(0).integers(0, 2, (5, 2, 3, 2))
    train = np.stack([np.ones((2, 3, 2)), np.zeros((2, 3, 2))])
    assert independent_pixels(train, images) == pytest.approx(12 * np.log(2))


def test_pixels_that_never_change_cost_next_to_nothing():
    train = np.zeros((998, 1, 2, 1)) + np.array([0.0, 1.0])[:, None]
    assert independent_pixels(train, train[:1]) == pytest.approx(-2 * np.log(999 / 1000))


def test_a_pixel_of_known_probability_costs_its_entropy():
    train = (np.arange(8) < 2).astype(float).reshape(8, 1, 1, 1)  # (2 + 1) / (8 + 2) = 0.3
    test = (np.arange(10) < 3).astype(float).reshape(10, 1, 1, 1)
    assert independent_pixels(train, test) == pytest.approx(-0.3 * np.log(0.3) - 0.7 * np.log(0.7))
