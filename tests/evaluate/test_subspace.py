import numpy as np
import pytest

from vae_jax.evaluate.subspace import nearest_in_span, principal_angles

ROWS = np.random.default_rng(0).normal(size=(3, 10))
MIXTURE = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [2.0, 0.0, 1.0]])


def test_mixtures_of_rows_span_the_same_space():
    np.testing.assert_allclose(principal_angles(ROWS, MIXTURE @ ROWS), 0, atol=1e-5)


def test_angles_by_hand():
    axes = np.eye(4)
    np.testing.assert_allclose(principal_angles(axes[:2], axes[2:]), 90)
    tilted = np.array([[1.0, 0, 0, 0], [0, np.cos(np.pi / 6), np.sin(np.pi / 6), 0]])
    np.testing.assert_allclose(principal_angles(axes[:2], tilted), [30, 0], atol=1e-6)


def test_nearest_in_a_span_is_the_point_itself_where_it_lies_in_it():
    np.testing.assert_allclose(nearest_in_span(MIXTURE @ ROWS, ROWS), ROWS, atol=1e-10)
    away = nearest_in_span(np.eye(4)[:2], np.array([[1.0, 2.0, 3.0, 4.0]]))
    np.testing.assert_allclose(away, [[1, 2, 0, 0]], atol=1e-12)


def test_rows_in_float32_are_compared_in_full_precision():
    found = principal_angles(ROWS.astype(np.float32), (MIXTURE @ ROWS).astype(np.float32))
    assert found.max() == pytest.approx(0, abs=1e-4)
