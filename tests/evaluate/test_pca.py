import numpy as np
import pytest
from sklearn.datasets import load_digits

from vae_jax.evaluate.pca import fit_pca, pca_mse

DIGITS = load_digits().data / 16


def test_training_error_is_the_sum_of_the_discarded_eigenvalues_per_pixel():
    eigenvalues = np.linalg.eigvalsh(np.cov(DIGITS.T, bias=True))[::-1]
    expected = [eigenvalues[k:].sum() / 64 for k in (1, 2, 5, 20, 63)]
    np.testing.assert_allclose(pca_mse(DIGITS, DIGITS, [1, 2, 5, 20, 63]), expected, rtol=1e-9, atol=1e-15)


def test_all_components_leave_no_error():
    assert pca_mse(DIGITS, DIGITS[:10], [64])[0] < 1e-25


def test_no_component_is_the_mean_image():
    error = ((DIGITS[1000:] - DIGITS[:1000].mean(0)) ** 2).mean()
    np.testing.assert_allclose(pca_mse(DIGITS[:1000], DIGITS[1000:], [0]), [error], rtol=1e-12)


def test_useless_axes_do_not_help_on_noise():
    train, test = np.random.default_rng(0).normal(size=(2, 20_000, 16))
    (error,) = pca_mse(train, test, [8])  # half of the dimensions of white noise
    # Fitted axes differ from any others by sampling noise only: √(2/n), per eigenvalue.
    assert abs(error - 0.5) < 4 * np.sqrt(2 / 20_000)


def test_data_of_low_rank_is_rebuilt_exactly():
    rng = np.random.default_rng(0)
    codes, axes = rng.normal(size=(100, 3)), rng.normal(size=(3, 12))
    images = (5 + codes @ axes).reshape(100, 2, 3, 2)
    errors = pca_mse(images[:50], images[50:], [2, 3])
    assert errors[0] > 0.01
    assert errors[1] < 1e-25


def test_error_falls_with_every_component_on_test_images_too():
    errors = pca_mse(DIGITS[:1000], DIGITS[1000:], list(range(65)))
    assert (np.diff(errors) <= 1e-15).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_axes_are_orthonormal_and_sorted_by_variance(dtype):
    mean, axes = fit_pca(DIGITS.astype(dtype))
    np.testing.assert_allclose(mean, DIGITS.mean(0), atol=1e-7)
    np.testing.assert_allclose(axes @ axes.T, np.eye(64), atol=1e-9)
    variances = ((DIGITS - mean) @ axes.T).var(0)
    assert (np.diff(variances) <= 1e-9).all()
