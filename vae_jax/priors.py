"""Priors p(z) as values. Shapes: B images, Z latent dimensions; nats throughout."""

import math

import jax
import jax.numpy as jnp
from flax import struct

from vae_jax.posteriors import Delta, DiagonalGaussian


@struct.dataclass
class StandardNormal:
    """p(z) = N(0, I)."""

    is_random = True

    def log_prob(self, z_BxZ: jax.Array) -> jax.Array:
        """Returns log p(z), nats, shape B."""
        return -0.5 * (z_BxZ**2 + math.log(2 * math.pi)).sum(-1)

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.normal(key, shape)

    def kl(self, q: DiagonalGaussian) -> jax.Array:
        """Returns KL(q‖p) of each dimension, nats, BxZ (Kingma & Welling 2014, App. B)."""
        return 0.5 * (jnp.exp(q.logvar_BxZ) + q.mean_BxZ**2 - 1.0 - q.logvar_BxZ)


@struct.dataclass
class NoPrior:
    """A plain autoencoder puts no distribution on its codes: nothing to pay, no samples."""

    is_random = False

    def kl(self, q: Delta) -> jax.Array:
        return jnp.zeros_like(q.mean_BxZ)


PRIORS = {"none": NoPrior, "standard_normal": StandardNormal}
