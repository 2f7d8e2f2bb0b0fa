import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.posteriors import Delta, DiagonalGaussian
from vae_jax.priors import NoPrior, StandardNormal

few = settings(max_examples=25, deadline=None)


def gaussian(mean, logvar):
    return DiagonalGaussian(jnp.atleast_2d(jnp.float32(mean)), jnp.atleast_2d(jnp.float32(logvar)))


@pytest.mark.parametrize("mean", [-2.0, 0.0, 0.3])
@pytest.mark.parametrize("logvar", [-6.0, -1.0, 0.0, 2.0])
def test_kl_is_the_integral(mean, logvar):
    q, p = scipy.stats.norm(mean, np.exp(logvar / 2)), scipy.stats.norm()
    ends = q.ppf([1e-15, 1 - 1e-15])
    integral, _ = scipy.integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *ends, epsabs=1e-10)
    (kl,) = StandardNormal().kl(gaussian(mean, logvar)).ravel()
    np.testing.assert_allclose(kl, integral, rtol=1e-5, atol=1e-6)


def test_kl_is_the_mean_log_ratio_of_samples():
    q, p = gaussian([1.0, -0.5], [-1.0, 0.7]), StandardNormal()
    z = jax.vmap(q.sample)(jax.random.split(jax.random.key(0), 20_000))[:, 0]
    ratios = np.asarray(q.log_prob(z) - p.log_prob(z))
    standard_error = ratios.std() / np.sqrt(len(ratios))
    assert abs(p.kl(q).sum() - ratios.mean()) < 4 * standard_error


@given(st.floats(-1e3, 1e3, width=32), st.floats(-14, 14, width=32))
@few
def test_kl_is_never_negative(mean, logvar):
    # exp(logvar) - 1 - logvar loses up to one rounding of 1 where logvar is near 0.
    assert StandardNormal().kl(gaussian(mean, logvar)) >= -np.finfo(np.float32).eps


def test_kl_of_the_prior_itself_is_0():
    np.testing.assert_array_equal(StandardNormal().kl(gaussian([0.0, 0.0], [0.0, 0.0])), [[0, 0]])


def test_kl_is_given_for_each_dimension():
    kl = StandardNormal().kl(gaussian([0.0, 1.0, 3.0], [0.0, 0.0, 0.0]))
    np.testing.assert_allclose(kl, [[0, 0.5, 4.5]])  # μ²/2


def test_log_prob_is_scipys():
    z = np.random.default_rng(0).normal(0, 3, (5, 4)).astype(np.float32)
    expected = scipy.stats.norm.logpdf(z).sum(-1)
    np.testing.assert_allclose(StandardNormal().log_prob(z), expected, rtol=1e-5)


def test_samples_are_standard_normal():
    z = np.asarray(StandardNormal().sample(jax.random.key(0), (4000, 3)))
    assert z.shape == (4000, 3)
    assert scipy.stats.kstest(z.ravel(), "norm").pvalue > 1e-3


def test_no_prior_costs_nothing():
    kl = NoPrior().kl(Delta(jnp.ones((2, 3))))
    np.testing.assert_array_equal(kl, np.zeros((2, 3)))
