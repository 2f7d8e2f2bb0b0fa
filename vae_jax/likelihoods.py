"""Likelihoods p(x|z): a linen head that turns the decoder's outputs into a distribution.

A head says what it is for: `pixels` ("binary" or "real") that it has a probability of, whether it
`has_sigma`, and whether it `learns_sigma`.

Shapes: images and outputs BxHxWxC. Log-likelihoods are sums over pixels and channels, nats.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from vae_jax.posteriors import softly_bounded

LOG_RATIO_BOUND = 7.0  # a learned σ stays within e^±7 times its start


def sum_over_pixels(x_BxHxWxC: jax.Array) -> jax.Array:
    """Returns the sum over the last three axes, shape B.

    As a product with ones: XLA's CPU compiler would fuse the logarithms of a likelihood into
    a scalar reduction loop, which makes a whole training step 1.3 times slower.
    """
    x_BxD = x_BxHxWxC.reshape(*x_BxHxWxC.shape[:-3], -1)
    return jnp.matmul(x_BxD, jnp.ones(x_BxD.shape[-1]), precision="highest")


@struct.dataclass
class Bernoulli:
    """Pixels that are 0 or 1; `logits` is log(p / (1 - p)) of each."""

    logits: jax.Array

    @property
    def mean(self) -> jax.Array:
        return nn.sigmoid(self.logits)

    def log_prob(self, images: jax.Array) -> jax.Array:
        """Returns log p(x|z), nats, shape B; exact at any logit.

        With l the logit: -log p = max(l, 0) - l·x + log(1 + exp(-|l|)). The first two terms
        cancel exactly where the pixel is certain, and the last is tiny but not rounded away.
        `where`, because `max` and `abs` would give a wrong gradient at l = 0.
        """
        positive = self.logits > 0
        certain = jnp.where(positive, self.logits, 0.0) - self.logits * images
        minus_abs = jnp.where(positive, -self.logits, self.logits)
        return -sum_over_pixels(certain + jnp.log1p(jnp.exp(minus_abs)))

    def sample(self, key: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, self.mean).astype(jnp.float32)


@struct.dataclass
class Gaussian:
    """Real pixels, x ~ N(mean, σ²) (Eq. 4 of the post), the same σ for every pixel."""

    mean: jax.Array
    log_sigma: jax.Array

    def log_prob(self, images: jax.Array) -> jax.Array:
        """Returns log p(x|z), nats, shape B; a density, so it can be positive."""
        squares = (images - self.mean) ** 2 * jnp.exp(-2 * self.log_sigma)
        return sum_over_pixels(-0.5 * (squares + math.log(2 * math.pi)) - self.log_sigma)

    def sample(self, key: jax.Array) -> jax.Array:
        return self.mean + jnp.exp(self.log_sigma) * jax.random.normal(key, self.mean.shape)


class BernoulliHead(nn.Module):
    """The decoder's outputs are logits."""

    pixels = "binary"
    has_sigma = learns_sigma = False

    def __call__(self, outputs: jax.Array) -> Bernoulli:
        return Bernoulli(outputs)


class FixedGaussianHead(nn.Module):
    """The decoder's outputs are means; σ is the traced hyper-parameter of that name."""

    pixels = "real"
    has_sigma, learns_sigma = True, False

    @nn.compact
    def __call__(self, outputs: jax.Array) -> Gaussian:
        sigma = self.variable("hyper", "sigma", lambda: jnp.ones(()))
        return Gaussian(outputs, jnp.log(sigma.value))


class LearnedGaussianHead(nn.Module):
    """The decoder's outputs are means; one σ for all pixels is learned (Rybkin et al. 2021).

    Training starts at σ = the hyper-parameter: the parameter is the log of their ratio.
    """

    pixels = "real"
    has_sigma = learns_sigma = True

    @nn.compact
    def __call__(self, outputs: jax.Array) -> Gaussian:
        sigma = self.variable("hyper", "sigma", lambda: jnp.ones(()))
        log_ratio = self.param("log_sigma_ratio", nn.initializers.zeros, ())
        return Gaussian(outputs, jnp.log(sigma.value) + softly_bounded(log_ratio, LOG_RATIO_BOUND))


LIKELIHOODS = {
    "bernoulli": BernoulliHead,
    "gaussian": FixedGaussianHead,
    "gaussian_learned": LearnedGaussianHead,
}
