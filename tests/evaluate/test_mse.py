import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import nets
from vae_jax.evaluate.mse import mse, reconstruct
from vae_jax.likelihoods import LIKELIHOODS
from vae_jax.model import Autoencoder, variables
from vae_jax.posteriors import Delta, DiagonalGaussian
from vae_jax.priors import NoPrior, StandardNormal

PIXELS = 12


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(0), (7, 2, 3, 2))


def linear(encoder, decoder, bias, likelihood="gaussian", posterior=Delta):
    """Returns a linear model and its variables: z = encoder · x, outputs = decoder · z + bias."""
    latent_size = len(decoder)
    fields = dict.fromkeys(("activation", "output_activation"), nets.ACTIVATIONS["identity"])
    fields |= {"bottleneck_width": 1, "hidden_sizes": ()}
    model = Autoencoder(
        encoder=nets.LinearEncoder(output_size=posterior.outputs_per_latent * latent_size, **fields),
        posterior=posterior,
        prior=NoPrior() if posterior is Delta else StandardNormal(),
        decoder=nets.LinearDecoder(image_shape=(2, 3, 2), **fields),
        likelihood=LIKELIHOODS[likelihood](),
    )
    params = {
        "encoder": {"Dense_0": {"kernel": encoder, "bias": jnp.zeros(encoder.shape[1])}},
        "decoder": {"Dense_0": {"kernel": decoder, "bias": jnp.full(PIXELS, bias)}},
    }
    return model, variables(params, 1.0)


def test_perfect_reconstruction_has_no_error(images):
    model, known = linear(jnp.eye(PIXELS), jnp.eye(PIXELS), 0.0)
    assert mse(model, known, images) == 0
    np.testing.assert_array_equal(reconstruct(model, known, images), images)


def test_constant_reconstruction_has_the_variance_as_error(images):
    mean = float(images.mean())
    model, known = linear(jnp.eye(PIXELS), 0 * jnp.eye(PIXELS), mean)
    np.testing.assert_allclose(mse(model, known, images), np.var(images), rtol=1e-5)


def test_constant_offset_is_squared_and_averaged_over_pixels(images):
    model, known = linear(jnp.eye(PIXELS), jnp.eye(PIXELS), 0.5)
    np.testing.assert_allclose(mse(model, known, images), 0.25, rtol=1e-5)


def test_bernoulli_reconstruction_is_the_probability_not_the_logit(images):
    model, known = linear(jnp.eye(PIXELS), 0 * jnp.eye(PIXELS), 0.0, "bernoulli")
    np.testing.assert_array_equal(reconstruct(model, known, images), np.full(images.shape, 0.5))


def test_variational_reconstruction_is_that_of_the_mean_code(images):
    encoder = jnp.repeat(jnp.eye(PIXELS), 2, axis=1)  # log-variances up to 1
    model, known = linear(encoder, jnp.eye(PIXELS), 0.0, posterior=DiagonalGaussian)
    assert mse(model, known, images) == 0
