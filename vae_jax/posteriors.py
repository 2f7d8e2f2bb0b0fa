"""Approximate posteriors q(z|x) as values made from the encoder's outputs.

The outputs of one latent dimension stand side by side, so that a smaller code is a part of a
larger one and runs of several latent sizes can share a program. A posterior of your own keeps to that.

Shapes: B images, Z latent dimensions. Logarithms are natural: densities are in nats.
"""

import math

import jax
import jax.numpy as jnp
from flax import struct

LOGVAR_BOUND = 14.0  # variances stay within e^±14: no exp of one overflows in float32


def softly_bounded(x: jax.Array, bound: float) -> jax.Array:
    """Maps any number into (-bound, bound), smoothly, close to x itself near 0."""
    return bound * jnp.tanh(x / bound)


@struct.dataclass
class DiagonalGaussian:
    """q(z|x) = N(mean, diag(exp(logvar))) (Kingma & Welling 2014, App. C.2).

    Attributes:
      mean_BxZ, logvar_BxZ: mean and logarithm of the variance of each latent dimension.
    """

    mean_BxZ: jax.Array
    logvar_BxZ: jax.Array

    outputs_per_latent = 2  # neither is a field: they have no annotation
    is_random = True

    @classmethod
    def from_outputs(cls, outputs_Bx2Z: jax.Array) -> "DiagonalGaussian":
        """Takes turns: mean and log-variance of the first dimension, then of the second, ..."""
        mean_BxZ, logvar_BxZ = outputs_Bx2Z[:, ::2], outputs_Bx2Z[:, 1::2]
        return cls(mean_BxZ, softly_bounded(logvar_BxZ, LOGVAR_BOUND))

    def sample(self, key: jax.Array) -> jax.Array:
        """Returns z = μ + σε, ε ~ N(0, I): the reparameterisation trick. Shape BxZ.

        A dimension's noise does not depend on how many there are: counters run along B first.
        """
        noise_BxZ = jax.random.normal(key, self.mean_BxZ.shape[::-1]).T
        return self.mean_BxZ + jnp.exp(0.5 * self.logvar_BxZ) * noise_BxZ

    def log_prob(self, z_BxZ: jax.Array) -> jax.Array:
        """Returns log q(z|x), nats, shape B (Eq. 4 of the post, one factor a dimension)."""
        squares_BxZ = (z_BxZ - self.mean_BxZ) ** 2 * jnp.exp(-self.logvar_BxZ)
        return -0.5 * (squares_BxZ + self.logvar_BxZ + math.log(2 * math.pi)).sum(-1)


@struct.dataclass
class Delta:
    """All mass on one point: the code F of a plain autoencoder (Eq. 1 of the post).

    Attributes:
      mean_BxZ: the code.
    """

    mean_BxZ: jax.Array

    outputs_per_latent = 1
    is_random = False

    @classmethod
    def from_outputs(cls, outputs_BxZ: jax.Array) -> "Delta":
        return cls(outputs_BxZ)

    def sample(self, key: jax.Array) -> jax.Array:
        del key  # nothing is random
        return self.mean_BxZ


POSTERIORS = {"delta": Delta, "gaussian": DiagonalGaussian}
