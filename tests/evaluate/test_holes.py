import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.evaluate.holes import empty_share, gaussian_of

CODES, KNOWN, POINTS = np.split(np.random.default_rng(0).normal(size=(6000, 2)), 3)


def test_codes_that_are_gaussian_have_no_holes():
    assert empty_share(CODES, KNOWN, POINTS) == pytest.approx(0.05, abs=0.015)
    assert empty_share(CODES, KNOWN, gaussian_of(CODES, 2000, 0)) == pytest.approx(0.05, abs=0.015)


def test_two_far_groups_of_codes_leave_a_hole_between_them():
    away = np.array([50.0, 0.0])
    two = [z + np.where(np.arange(len(z))[:, None] % 2, away, -away) for z in (CODES, KNOWN)]
    points = gaussian_of(two[0], 2000, 0)
    share = empty_share(*two, points)
    among = np.abs(np.abs(points[:, 0]) - 50) < 4
    assert share == pytest.approx(1 - among.mean(), abs=0.05)
    assert share > 0.8


def test_points_on_codes_are_in_no_hole_and_points_far_off_are():
    assert empty_share(CODES, KNOWN, CODES) == 0.0
    assert empty_share(CODES, KNOWN, CODES + 100) == 1.0


@given(st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_scale_and_place_of_the_codes_do_not_matter(scale, shift):
    few = [z[:200] for z in (CODES, KNOWN, POINTS)]
    found = empty_share(*(scale * z + shift for z in few))
    assert found == pytest.approx(empty_share(*few), abs=0.01)


def test_gaussian_has_the_mean_and_covariance_of_the_codes():
    codes = CODES @ [[2.0, 1.0], [0.0, 0.5]] + [3.0, -1.0]
    drawn = gaussian_of(codes, 100_000, 0)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=0.03)
    assert gaussian_of(CODES[:, :1], 5, 0).shape == (5, 1)
