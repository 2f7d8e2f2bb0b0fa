import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from configs import vae
from vae_jax import build
from vae_jax.config import override
from vae_jax.evaluate.bounds import per_image
from vae_jax.evaluate.ppca import (
    active_dimensions,
    eigenvalues,
    elbo,
    max_log_likelihood,
    max_log_likelihood_at,
)

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


@pytest.mark.parametrize("latent_size", [0, 1, 3])
def test_maximum_at_a_fixed_variance_is_the_log_density_of_its_normal(latent_size):
    """The data's variance along the axes in use, the noise along the others: two of three are worth using."""
    images = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([2.0, 1.0, 0.3])
    images -= images.mean(0)
    known, axes = np.linalg.eigh(np.cov(images.T, bias=True))
    variances = np.where(np.arange(3) < min(latent_size, 2), known[::-1], 0.5)
    normal = multivariate_normal(cov=axes[:, ::-1] * variances @ axes[:, ::-1].T)
    found = max_log_likelihood_at(known[::-1], latent_size, 0.5)
    assert found == pytest.approx(normal.logpdf(images).mean(), rel=1e-9)


def test_no_other_variances_along_the_axes_are_likelier_at_a_fixed_noise():
    known, noise = np.array([3.0, 0.7, 0.2]), 0.5
    extra = np.random.default_rng(0).exponential(size=(2000, 3))  # what W adds along each axis
    others = -0.5 * (np.log(2 * np.pi * (noise + extra)) + known / (noise + extra)).sum(1)
    found = max_log_likelihood_at(known, 3, noise)
    assert others.max() < found < others.max() + 0.05


def test_maxima_with_a_fixed_and_with_a_learned_variance_agree_where_that_is_fixed():
    known = eigenvalues(DIGITS)
    learned = max_log_likelihood(known, 10)
    variance = known[10:].mean()
    assert known[9] > variance
    assert max_log_likelihood_at(known, 10, variance) == pytest.approx(learned, rel=1e-12)
    assert max_log_likelihood_at(known, 10, 1.1 * variance) < learned


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_learned"])
def test_exact_elbo_is_what_samples_come_to(likelihood):
    linear = {"encoder.net": "linear", "decoder.net": "linear", "bottleneck_width": 0, "latent_size": 3}
    linear |= {"decoder.output_activation": "identity", "likelihood": likelihood, "sigma": 0.7}
    model = build.task(override(vae.get_config("grey"), linear)).model
    images = np.random.default_rng(0).uniform(size=(40, 8, 8, 1)).astype(np.float32)
    found = model.init(jax.random.key(1), images, jax.random.key(2))
    variables = {"params": found["params"], "hyper": {"likelihood": {"sigma": 0.7}}}
    terms = per_image(model, variables, images, jax.random.key(3), 4000)
    sampled = np.asarray(terms["log_px"] - terms["kl"])
    apart = [
        per_image(model, variables, images, jax.random.key(4 + i), 250)["log_px"].mean() for i in range(8)
    ]
    error = float(np.std(apart, ddof=1)) / 4  # 16 times as many draws
    assert elbo(model, variables, images) == pytest.approx(sampled.mean(), abs=4 * error)
    assert error < 0.2  # the variance of z adds some tens of nats
