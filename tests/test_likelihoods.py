import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.likelihoods import LIKELIHOODS, Bernoulli, Gaussian, sum_over_pixels

few = settings(max_examples=25, deadline=None)
BERNOULLI, FIXED, LEARNED = (LIKELIHOODS[name] for name in ("bernoulli", "gaussian", "gaussian_learned"))


def log_prob(logit, pixel):
    image = jnp.full((1, 1, 1, 1), pixel, jnp.float32)
    return Bernoulli(jnp.full((1, 1, 1, 1), logit, jnp.float32)).log_prob(image)[0]


@functools.cache
def value_and_gradient():
    return jax.jit(jax.value_and_grad(log_prob))


def exact_log_prob(logit, pixel):
    """In float64: log σ(l) for a lit pixel, log σ(-l) for a dark one; grey ones lie between."""
    log_expit = scipy.special.log_expit
    return pixel * log_expit(np.float64(logit)) + (1 - pixel) * log_expit(-np.float64(logit))


LOGITS = (-1000.0, -110.0, -50.0, -1.5, 0.0, 1e-4, 1.5, 50.0, 110.0, 1000.0)


@pytest.mark.parametrize("pixel", [0.0, 1.0])
@pytest.mark.parametrize("logit", LOGITS)
def test_bernoulli_is_exact_at_any_logit(logit, pixel):
    value, gradient = value_and_gradient()(logit, pixel)
    # Relative to the value itself, however small: e^-50 must not be rounded to 0. float32's
    # smallest normal number is 1e-38.
    np.testing.assert_allclose(value, exact_log_prob(logit, pixel), rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(gradient, pixel - scipy.special.expit(logit), rtol=1e-6, atol=1e-7)


@given(st.floats(-2000, 2000, width=32), st.sampled_from([0.0, 0.25, 1.0]))
@few
def test_bernoulli_is_never_positive_and_close_to_float64(logit, pixel):
    value, gradient = value_and_gradient()(logit, pixel)
    assert value <= 0
    np.testing.assert_allclose(value, exact_log_prob(logit, pixel), rtol=2e-6, atol=1e-37)
    assert abs(gradient) <= 1


def test_bernoulli_log_prob_is_a_sum_over_pixels_and_channels():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (2, 4, 3, 2)).astype(np.float32)
    images = rng.integers(0, 2, (2, 4, 3, 2)).astype(np.float32)
    expected = scipy.stats.bernoulli.logpmf(images, scipy.special.expit(logits)).sum((1, 2, 3))
    np.testing.assert_allclose(Bernoulli(logits).log_prob(images), expected, rtol=1e-5)


def test_bernoulli_mean_and_samples():
    logits = jnp.array([-1000.0, -1.0, 0.0, 2.0, 1000.0])
    p = Bernoulli(jnp.broadcast_to(logits, (10_000, 5)))
    samples = np.asarray(p.sample(jax.random.key(0)))
    mean = scipy.special.expit(np.asarray(logits))
    np.testing.assert_allclose(p.mean[0], mean, rtol=1e-6)
    assert set(np.unique(samples)) == {0, 1}
    assert (np.abs(samples.mean(0) - mean) <= 4 * np.sqrt(mean * (1 - mean) / 10_000)).all()


@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 20.0])
def test_gaussian_log_prob_is_scipys(sigma):
    mean, images = np.random.default_rng(0).normal(0, 1, (2, 3, 4, 3, 2)).astype(np.float32)
    expected = scipy.stats.norm(mean, sigma).logpdf(images).sum((1, 2, 3))
    p = Gaussian(mean, np.float32(np.log(sigma)))
    np.testing.assert_allclose(p.log_prob(images), expected, rtol=1e-5)


def test_gaussian_samples_have_the_mean_and_variance():
    count = 20_000
    p = Gaussian(jnp.full(count, 2.0), jnp.log(jnp.float32(0.5)))
    samples = np.asarray(p.sample(jax.random.key(0)))
    assert abs(samples.mean() - 2.0) < 4 * 0.5 / np.sqrt(count)
    assert abs(samples.var() / 0.25 - 1) < 4 * np.sqrt(2 / count)


def head(kind, sigma, **params):
    """Returns p(x|z) at zero outputs."""
    hyper = {"sigma": jnp.float32(sigma)}
    return kind().apply({"params": params, "hyper": hyper}, jnp.zeros((1, 2, 2, 1)))


def test_bernoulli_head_takes_logits():
    outputs = jnp.arange(4.0).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(BERNOULLI().apply({}, outputs).logits, outputs)


@pytest.mark.parametrize("sigma", [1e-3, 0.3, 1.0, 10.0])
def test_fixed_sigma_is_the_hyper_parameter(sigma):
    np.testing.assert_allclose(jnp.exp(head(FIXED, sigma).log_sigma), sigma, rtol=1e-6)


@pytest.mark.parametrize("sigma", [1e-3, 0.3, 1.0, 10.0])
def test_learned_sigma_starts_at_the_hyper_parameter(sigma):
    variables = LEARNED().init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)))
    p = head(LEARNED, sigma, **variables["params"])
    np.testing.assert_allclose(jnp.exp(p.log_sigma), sigma, rtol=1e-5)


@pytest.mark.parametrize("log_sigma_ratio", [-1e30, -100.0, 100.0, 1e30])
def test_learned_sigma_never_overflows(log_sigma_ratio):
    def value(ratio):
        return head(LEARNED, 0.3, log_sigma_ratio=ratio).log_prob(jnp.ones((1, 2, 2, 1)))[0]

    assert jnp.isfinite(jnp.array(jax.value_and_grad(value)(log_sigma_ratio))).all()


def test_learned_sigma_at_the_optimum_is_the_residuals_size():
    """d log p / d log σ = 0 where σ² is the mean squared residual (Rybkin et al. 2021)."""
    images = jax.random.normal(jax.random.key(0), (1, 8, 8, 1))
    best = jnp.sqrt((images**2).mean())

    def value(log_sigma):
        return Gaussian(jnp.zeros_like(images), log_sigma).log_prob(images)[0]

    assert abs(jax.grad(value)(jnp.log(best))) < 64 * 1e-6  # 64 pixels, each rounded


def test_learned_sigma_is_one_parameter_for_all_pixels():
    variables = LEARNED().init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)))
    assert [leaf.shape for leaf in jax.tree.leaves(variables["params"])] == [()]
    assert "params" not in FIXED().init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)))


def test_sum_over_pixels_is_the_sum_of_the_last_three_axes():
    x = np.random.default_rng(0).normal(0, 100, (3, 28, 28, 2)).astype(np.float32)
    rounding = np.finfo(np.float32).eps * np.abs(x).sum((1, 2, 3))
    error = np.abs(np.asarray(sum_over_pixels(x)) - x.sum((1, 2, 3), dtype=np.float64))
    assert (error < rounding).all()
