"""Against probabilistic PCA, where log p(x) is known (Lucas et al. 2019)."""

import functools
from typing import NamedTuple

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from vae_jax import nets
from vae_jax.evaluate.bounds import bounds, per_image
from vae_jax.likelihoods import LIKELIHOODS
from vae_jax.model import Autoencoder, variables
from vae_jax.posteriors import LOGVAR_BOUND, Delta, DiagonalGaussian
from vae_jax.priors import NoPrior, StandardNormal

DIGITS = load_digits().data / 16  # float64: the closed forms are computed in it
IMAGES = DIGITS.reshape(-1, 8, 8, 1).astype(np.float32)
PIXELS = 64


def side_by_side(means, logvars):
    """The two outputs of each latent dimension beside each other, as the encoder gives them."""
    return np.stack([means, logvars], axis=-1).reshape(*means.shape[:-1], -1)


class Solution(NamedTuple):
    """p(x) = N(mean, C) with C = WWᵀ + σ²I, and q(z|x) = N(E(x - mean), diag(variances))."""

    mean_D: np.ndarray
    W_DxQ: np.ndarray
    E_DxQ: np.ndarray
    variances_Q: np.ndarray
    sigma: float

    def covariance(self):
        return self.W_DxQ @ self.W_DxQ.T + self.sigma**2 * np.eye(PIXELS)

    def variables(self, shift=0.0, widen=0.0):
        """The model's variables; `shift` and `widen` move and widen q (log-variance) away from it."""
        logvar = LOGVAR_BOUND * np.arctanh(np.log(self.variances_Q) / LOGVAR_BOUND) + widen
        encoder = {
            "kernel": side_by_side(self.E_DxQ, np.zeros_like(self.E_DxQ)),
            "bias": side_by_side(shift - self.mean_D @ self.E_DxQ, logvar),
        }
        decoder = {"kernel": self.W_DxQ.T, "bias": self.mean_D}
        params = {"encoder": {"Dense_0": encoder}, "decoder": {"Dense_0": decoder}}
        return variables(jax.tree.map(np.float32, params), np.float32(self.sigma))


@functools.cache
def principal(latent_size):
    """The maximum of log p over all W, σ and mean: q(z|x) is exact there."""
    values, axes = np.linalg.eigh(np.cov(DIGITS.T, bias=True))
    values, axes = values[::-1], axes[:, ::-1][:, :latent_size]
    variance = values[latent_size:].mean()
    kept = values[:latent_size]
    W = axes * np.sqrt(kept - variance)
    return Solution(DIGITS.mean(0), W, W / kept, variance / kept, np.sqrt(variance))


def rotated(solution, seed):
    """The same p(x) from another W, with the best diagonal q(z|x): no longer the exact one."""
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=2 * [solution.W_DxQ.shape[1]]))
    W = solution.W_DxQ @ rotation
    precision = W.T @ W / solution.sigma**2 + np.eye(W.shape[1])
    return solution._replace(W_DxQ=W, E_DxQ=solution.E_DxQ @ rotation, variances_Q=1 / np.diag(precision))


def exact_log_px(solution):
    centred = DIGITS - solution.mean_D
    squares = (centred @ np.linalg.inv(solution.covariance()) * centred).sum(1)
    return -0.5 * (squares + np.linalg.slogdet(solution.covariance())[1] + PIXELS * np.log(2 * np.pi))


def reconstruction(solution, codes_NxQ):
    """Returns -log p(x|z) of every image at its code."""
    squares = ((DIGITS - solution.mean_D - codes_NxQ @ solution.W_DxQ.T) ** 2).sum(1)
    return 0.5 * (squares / solution.sigma**2 + PIXELS * np.log(2 * np.pi * solution.sigma**2))


@functools.cache
def linear_vae(latent_size, posterior=DiagonalGaussian):
    identity = nets.ACTIVATIONS["identity"]
    fields = {
        "bottleneck_width": 1,
        "hidden_sizes": (),
        "activation": identity,
        "output_activation": identity,
    }
    return Autoencoder(
        encoder=nets.LinearEncoder(output_size=posterior.outputs_per_latent * latent_size, **fields),
        posterior=posterior,
        prior=NoPrior() if posterior is Delta else StandardNormal(),
        decoder=nets.LinearDecoder(image_shape=(8, 8, 1), **fields),
        likelihood=LIKELIHOODS["gaussian"](),
    )


def log_px_bounds(solution, num_samples, count=1797, seed=0, **changes):
    """Returns L_k of each of the first images."""
    model, known = linear_vae(solution.W_DxQ.shape[1]), solution.variables(**changes)
    return np.asarray(per_image(model, known, IMAGES[:count], jax.random.key(seed), num_samples)["bound"])


# log p of the maximum-likelihood solution on all 1797 digits, mean over images, nats.
@pytest.mark.parametrize(
    ("latent_size", "log_px"), [(2, 0.0057067), (5, 8.9076367), (10, 17.4519470), (20, 27.2772999)]
)
def test_linear_vae_reaches_probabilistic_pca(latent_size, log_px):
    solution = principal(latent_size)
    np.testing.assert_allclose(exact_log_px(solution).mean(), log_px, atol=5e-8)
    result = bounds(linear_vae(latent_size), solution.variables(), IMAGES, jax.random.key(0), 1)
    # Each log p is a sum of terms up to 100 in size: 100 × float32's 1e-7.
    np.testing.assert_allclose(-result["nll"], log_px, atol=1e-5)


@pytest.mark.parametrize("num_samples", [1, 7])
def test_with_the_exact_posterior_every_bound_is_log_px_for_every_image(num_samples):
    solution = principal(5)
    found = log_px_bounds(solution, num_samples)
    np.testing.assert_allclose(found, exact_log_px(solution), rtol=1e-6, atol=2e-5)


def test_bounds_grow_with_the_samples_up_to_log_px():
    solution, count = principal(5), 500
    off = {"shift": 0.3, "widen": 1.0}
    gaps = [exact_log_px(solution)[:count] - log_px_bounds(solution, k, count, **off) for k in (1, 10, 100)]
    means = [gap.mean() for gap in gaps]
    errors = [gap.std() / np.sqrt(count) for gap in gaps]
    assert means[0] - means[1] > 5 * (errors[0] + errors[1])
    assert means[1] - means[2] > 5 * (errors[1] + errors[2])
    assert means[2] > -2 * errors[2]


def test_bound_converges_to_log_px():
    solution, count = principal(5), 500
    gap = exact_log_px(solution)[:count] - log_px_bounds(solution, 5000, count, shift=0.1, widen=0.3)
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(count)
    assert gap.std() < 0.05  # and not because it is all noise


def test_bound_of_a_rotated_model_is_lower_by_the_kl_to_the_true_posterior():
    solution, count = rotated(principal(10), seed=0), 1797
    np.testing.assert_allclose(exact_log_px(solution), exact_log_px(principal(10)), rtol=1e-9)
    W, sigma = solution.W_DxQ, solution.sigma
    precision = W.T @ W / sigma**2 + np.eye(10)
    kl = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    assert kl > 0.1
    gap = exact_log_px(solution) - log_px_bounds(solution, 1)
    assert abs(gap.mean() - kl) < 4 * gap.std() / np.sqrt(count)


def test_parts_of_the_elbo_are_their_closed_forms():
    solution = principal(5)
    result = bounds(linear_vae(5), solution.variables(), IMAGES, jax.random.key(0), 10)
    means = (DIGITS - solution.mean_D) @ solution.E_DxQ
    kl = 0.5 * (solution.variances_Q + means**2 - 1 - np.log(solution.variances_Q)).sum(1).mean()
    np.testing.assert_allclose(result["kl"], kl, rtol=1e-5)
    spread = (solution.W_DxQ**2 * solution.variances_Q).sum()
    log_px = -reconstruction(solution, means) - spread / (2 * solution.sigma**2)
    gap = log_px - per_image(linear_vae(5), solution.variables(), IMAGES, jax.random.key(0), 10)["log_px"]
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(IMAGES))
    np.testing.assert_allclose(result["reconstruction"], (gap - log_px).mean(), rtol=1e-5)
    np.testing.assert_allclose(result["elbo"], -result["reconstruction"] - result["kl"], rtol=1e-6)


def test_posterior_that_ignores_the_image_has_no_kl_and_a_loose_bound():
    solution = principal(5)
    useless = solution._replace(E_DxQ=0 * solution.E_DxQ, variances_Q=np.ones(5))
    result = bounds(linear_vae(5), useless.variables(), IMAGES, jax.random.key(0), 10)
    assert abs(result["kl"]) < 1e-6
    spread = (solution.W_DxQ**2).sum() / (2 * solution.sigma**2)
    elbo = -(reconstruction(solution, np.zeros((len(IMAGES), 5))) + spread).mean()
    # The weights of single samples differ by tens of nats: 18,000 of them have a mean that
    # is certain to about 0.5.
    assert abs(result["elbo"] - elbo) < 1
    assert result["elbo"] + 10 < -result["nll"] < exact_log_px(solution).mean() - 1


def test_another_number_of_samples_compiles_nothing_anew():
    solution = principal(5)
    log_px_bounds(solution, 2, 500)
    before = per_image._cache_size()
    log_px_bounds(solution, 3, 500, seed=1)
    log_px_bounds(solution, 50, 500)
    assert per_image._cache_size() == before


def test_key_decides_the_samples():
    one, again, other = (log_px_bounds(principal(5), 2, 500, seed, widen=1.0) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).all()


def test_plain_autoencoder_has_a_reconstruction_term_alone():
    solution, model = principal(5), linear_vae(5, Delta)
    known = solution.variables()
    encoder = known["params"]["encoder"]["Dense_0"]
    encoder |= {name: array[..., ::2] for name, array in encoder.items()}
    (name, rec), *others = bounds(model, known, IMAGES, jax.random.key(0), 10).items()
    assert (name, others) == ("reconstruction", [])
    means = (DIGITS - solution.mean_D) @ solution.E_DxQ
    np.testing.assert_allclose(rec, reconstruction(solution, means).mean(), rtol=1e-5, atol=1e-5)
