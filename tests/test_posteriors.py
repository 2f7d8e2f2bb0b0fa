import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.posteriors import LOGVAR_BOUND, POSTERIORS, Delta, DiagonalGaussian, softly_bounded

few = settings(max_examples=25, deadline=None)
any_float32 = st.floats(width=32, allow_nan=False)


@given(any_float32, any_float32, st.floats(0.5, 50, width=32))
@few
def test_softly_bounded_is_bounded_and_monotone(x, y, bound):
    low, high = softly_bounded(jnp.float32(min(x, y)), bound), softly_bounded(jnp.float32(max(x, y)), bound)
    assert -bound <= low
    assert high <= bound
    assert low <= high + 1e-6 * bound  # XLA's tanh is monotone up to a few roundings


@given(st.floats(-0.125, 0.125, width=32))
@few
def test_softly_bounded_is_close_to_the_number_itself_near_0(x):
    # tanh(t) = t - t³/3 + ...; the rest is float32's rounding and underflow.
    slack = abs(x) ** 3 / (3 * 14**2) + 1e-6 * abs(x) + 1e-36
    assert abs(float(softly_bounded(jnp.float32(x), 14.0)) - x) <= slack


@given(st.lists(any_float32, min_size=4, max_size=4))
@few
def test_no_encoder_output_overflows_the_variance(outputs):
    q = DiagonalGaussian.from_outputs(jnp.asarray([[0.0, outputs[0], 0.0, outputs[1]]], jnp.float32))
    assert (jnp.abs(q.logvar_BxZ) <= LOGVAR_BOUND).all()
    for value in (jnp.exp(q.logvar_BxZ), jnp.exp(-q.logvar_BxZ), q.sample(jax.random.key(0))):
        assert jnp.isfinite(value).all()
    assert jnp.isfinite(q.log_prob(jnp.ones((1, 2)))).all()


@pytest.mark.parametrize("output", [-3e38, -1e4, 0.0, 1e4, 3e38])
def test_gradients_through_the_variance_are_finite(output):
    def loss(outputs):
        q = DiagonalGaussian.from_outputs(outputs)
        z = q.sample(jax.random.key(0))
        return q.log_prob(jnp.ones_like(z)).sum() + (z**2).sum()

    assert jnp.isfinite(jax.grad(loss)(jnp.array([[0.5, output]]))).all()


def test_outputs_of_a_dimension_stand_side_by_side():
    q = DiagonalGaussian.from_outputs(jnp.array([[1.0, 0.01, 2.0, -0.02]]))
    np.testing.assert_array_equal(q.mean_BxZ, [[1, 2]])
    np.testing.assert_allclose(q.logvar_BxZ, [[0.01, -0.02]], rtol=1e-5)


def test_log_prob_is_scipys():
    mean, logvar, z = np.random.default_rng(0).normal(0, 2, (3, 5, 4)).astype(np.float32)
    expected = scipy.stats.norm(mean, np.exp(0.5 * logvar)).logpdf(z).sum(-1)
    np.testing.assert_allclose(DiagonalGaussian(mean, logvar).log_prob(z), expected, rtol=1e-5)


def test_samples_have_the_mean_and_variance():
    count = 20_000
    mean, logvar = np.array([[-3.0, 0.0, 2.0]], np.float32), np.array([[-4.0, 0.0, 3.0]], np.float32)
    keys = jax.random.split(jax.random.key(0), count)
    z = np.asarray(jax.vmap(DiagonalGaussian(mean, logvar).sample)(keys))[:, 0]
    variance = np.exp(logvar[0])
    assert (np.abs(z.mean(0) - mean[0]) < 4 * np.sqrt(variance / count)).all()
    assert (np.abs(z.var(0) / variance - 1) < 4 * np.sqrt(2 / count)).all()
    assert np.abs(np.corrcoef(z.T)[~np.eye(3, dtype=bool)]).max() < 4 / np.sqrt(count)


@pytest.mark.parametrize(("few_latents", "more"), [(1, 1), (2, 3), (3, 8), (9, 1)])
def test_noise_of_a_dimension_does_not_depend_on_how_many_there_are(few_latents, more):
    def samples(latents):
        zeros = jnp.zeros((5, latents))
        return DiagonalGaussian(zeros, zeros).sample(jax.random.key(1))

    wide = samples(few_latents + more)
    # The same random bits; only the last digit of a normal can depend on how they are vectorised.
    np.testing.assert_allclose(samples(few_latents), wide[:, :few_latents], rtol=1e-6, atol=1e-6)


def test_samples_differ_between_images_and_carry_gradients():
    q = DiagonalGaussian(jnp.zeros((3, 2)), jnp.zeros((3, 2)))
    assert len(np.unique(q.sample(jax.random.key(0)))) == 6

    def total(mean, logvar):
        return DiagonalGaussian(mean, logvar).sample(jax.random.key(0)).sum()

    d_mean, d_logvar = jax.grad(total, (0, 1))(q.mean_BxZ, q.logvar_BxZ)
    np.testing.assert_array_equal(d_mean, jnp.ones((3, 2)))
    np.testing.assert_allclose(d_logvar, 0.5 * q.sample(jax.random.key(0)), rtol=1e-6)  # ½σε


def test_delta_is_its_code():
    outputs = jnp.arange(6.0).reshape(2, 3)
    q = Delta.from_outputs(outputs)
    np.testing.assert_array_equal(q.mean_BxZ, outputs)
    np.testing.assert_array_equal(q.sample(jax.random.key(0)), outputs)


@pytest.mark.parametrize("name", POSTERIORS)
def test_outputs_per_latent_is_what_from_outputs_takes(name):
    posterior = POSTERIORS[name]
    q = posterior.from_outputs(jnp.zeros((2, posterior.outputs_per_latent * 3)))
    assert q.mean_BxZ.shape == q.sample(jax.random.key(0)).shape == (2, 3)
