import jax
import jax.numpy as jnp
import numpy as np

from configs import vae
from vae_jax import build
from vae_jax.config import override
from vae_jax.evaluate.decoded import decoded
from vae_jax.evaluate.kl_per_dimension import kl_per_dimension
from vae_jax.evaluate.model_posterior import model_posterior_means
from vae_jax.model import variables

SIGMA = 0.5
RNG = np.random.default_rng(0)
AXIS = RNG.normal(size=64).astype(np.float32) / 8
MIDDLE = RNG.normal(size=64).astype(np.float32)
IMAGES = RNG.normal(size=(30, 8, 8, 1)).astype(np.float32)


def linear(mean_kernel=0.0, logvar=0.0):
    """A linear model of one dimension, x = AXIS z + MIDDLE + σε, and its encoder."""
    changes = {"encoder.net": "linear", "decoder.net": "linear", "bottleneck_width": 0, "latent_size": 1}
    fixed = {"likelihood": "gaussian", "sigma": SIGMA, "decoder.output_activation": "identity"}
    model = build.model(override(vae.get_config("digits,grey"), changes | fixed), (8, 8, 1))
    kernel = np.stack([np.full(64, mean_kernel), np.zeros(64)], axis=1)
    params = {
        "encoder": {"Dense_0": {"kernel": kernel, "bias": np.array([0.0, logvar])}},
        "decoder": {"Dense_0": {"kernel": AXIS[None], "bias": MIDDLE}},
    }
    return model, variables(jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params), SIGMA)


def test_posterior_mean_of_a_linear_model_is_the_known_one():
    expected = (IMAGES.reshape(30, 64) - MIDDLE) @ AXIS / (AXIS @ AXIS + SIGMA**2)
    np.testing.assert_allclose(model_posterior_means(*linear(), IMAGES), expected, rtol=1e-3, atol=1e-3)


def test_decoded_codes_are_the_means():
    codes = np.linspace(-2, 2, 700, dtype=np.float32)[:, None]
    means = np.asarray(decoded(*linear(), codes))
    np.testing.assert_allclose(means.reshape(700, 64), codes * AXIS + MIDDLE, rtol=1e-4, atol=1e-5)


def test_kl_of_a_collapsed_dimension_is_zero():
    np.testing.assert_allclose(kl_per_dimension(*linear(), IMAGES), [0.0], atol=1e-6)


def test_kl_per_dimension_is_the_mean_over_images():
    means = IMAGES.reshape(30, 64).sum(1) * 0.1
    variance = np.exp(14 * np.tanh(-1 / 14))  # log-variances are softly bounded
    expected = 0.5 * (variance - 1 - np.log(variance) + (means**2).mean())
    np.testing.assert_allclose(kl_per_dimension(*linear(0.1, -1.0), IMAGES), [expected], rtol=1e-4)
