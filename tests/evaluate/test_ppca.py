import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from vae_jax.evaluate.ppca import active_dimensions, eigenvalues, max_log_likelihood, worth

DIGITS = load_digits().data / 16


@pytest.mark.parametrize(
    ("latent_size", "expected"), [(2, 0.0057067), (5, 8.9076367), (10, 17.4519470), (20, 27.2772999)]
)
def test_maximum_on_all_digits_is_the_known_one(latent_size, expected):
    assert max_log_likelihood(eigenvalues(DIGITS), latent_size) == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize("latent_size", [1, 7])
def test_maximum_is_the_log_density_of_the_fitted_normal(latent_size):
    # scikit-learn divides by N - 1; on so many images that hardly shifts the maximum.
    images = np.random.default_rng(0).normal(size=(4000, 9)) * np.arange(1, 10)
    expected = PCA(latent_size).fit(images).score(images)
    assert max_log_likelihood(eigenvalues(images), latent_size) == pytest.approx(expected, abs=1e-5)


def test_white_noise_has_no_axes_to_find():
    images = np.concatenate([np.eye(8), -np.eye(8)])  # covariance 1/8 in every direction
    expected = -4 * (np.log(2 * np.pi / 8) + 1)
    for latent_size in (0, 3, 7):
        assert max_log_likelihood(eigenvalues(images), latent_size) == pytest.approx(expected)


def test_eigenvalues_are_the_variances_along_the_axes_of_images_of_any_shape():
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]]).reshape(4, 1, 2, 1)
    images = 5 + signs * np.array([2.0, 3.0]).reshape(1, 2, 1)
    np.testing.assert_allclose(eigenvalues(images), [9, 4])


@pytest.mark.parametrize(
    ("variance", "expected"), [(0.5, 3), (0.2, 7), (0.1, 12), (0.05, 18), (0.02, 30), (0.01, 39)]
)
def test_active_dimensions_on_all_digits_are_the_known_ones(variance, expected):
    assert active_dimensions(eigenvalues(DIGITS), 40, variance) == expected


def test_no_more_dimensions_are_active_than_there_are():
    assert active_dimensions(np.array([3.0, 2.0, 1.0]), 2, 0.5) == 2
    assert active_dimensions(np.array([3.0, 2.0, 1.0]), 2, 5.0) == 0


def test_an_axis_is_worth_what_its_use_adds_to_the_likelihood():
    # x = (a, b) with variances λ: log N(x; 0, C) with C = λ where an axis is used, σ² where not.
    variances, noise = np.array([3.0, 0.5, 0.2]), 0.5
    unused = -0.5 * (np.log(noise) + variances / noise)
    used = -0.5 * (np.log(variances) + 1)
    np.testing.assert_allclose(worth(variances, noise), np.where(variances > noise, used - unused, 0))
