import numpy as np

from vae_jax.evaluate.active_units import active_units, activity


def test_every_unit_of_a_code_that_varies_is_active():
    codes = np.random.default_rng(0).normal(size=(1000, 7))
    assert active_units(codes) == 7


def test_no_unit_of_a_constant_code_is_active():
    assert active_units(np.ones((10, 7)) * np.arange(7)) == 0


def test_activity_is_the_variance_over_images_and_counts_above_one_hundredth():
    signs = np.array([-1.0, 1.0, -1.0, 1.0])[:, None]
    scales = np.array([1.0, 0.11, 0.09, 0.0])  # variances 1, 0.0121, 0.0081, 0
    codes = 5 + signs * scales
    np.testing.assert_allclose(activity(codes), scales**2, atol=1e-12)
    assert active_units(codes) == 2


def test_repeating_a_unit_counts_it_twice():
    codes = np.random.default_rng(0).normal(size=(1000, 3))
    assert active_units(np.hstack([codes, codes])) == 6
