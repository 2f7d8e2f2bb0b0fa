import numpy as np
import pytest
from scipy.stats import norm

from vae_jax.evaluate.manifold import roughness, unit_square


def test_every_cell_of_the_grid_has_the_same_share_of_the_prior():
    codes = unit_square(4)
    shares = norm.cdf(codes)
    assert codes.shape == (16, 2)
    np.testing.assert_allclose(np.unique(shares.round(9)), [1 / 8, 3 / 8, 5 / 8, 7 / 8], atol=1e-9)


def test_first_dimension_varies_fastest_and_both_rise():
    grid = unit_square(3).reshape(3, 3, 2)
    assert (np.diff(grid[..., 0], axis=1) > 0).all()
    assert (np.diff(grid[..., 1], axis=0) > 0).all()
    np.testing.assert_allclose(grid[1, 1], 0, atol=1e-12)


def test_plane_without_order_is_as_rough_as_any_two_images():
    images = np.random.default_rng(0).normal(size=(30, 30, 4, 4, 3))
    assert roughness(images) == pytest.approx(1, abs=0.02)


def test_plane_in_small_steps_is_smooth():
    # Ramps of 1 a step, S = 10: (1 + 0) / 2 along each axis, any two images 2 · 99/12 / (99/100).
    ramp = np.arange(10.0)
    images = np.broadcast_to(ramp[:, None, None, None, None], (10, 10, 1, 1, 1))
    assert roughness(images) == pytest.approx(0.5 / (2 * 99 / 12 * 100 / 99))
