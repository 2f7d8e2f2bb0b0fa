"""What codes look like: the mean of p(x|z)."""

import functools
from typing import Any

import jax

from vae_jax.batching import in_batches
from vae_jax.model import Autoencoder


@functools.partial(jax.jit, static_argnames="model")
def decoded(model: Autoencoder, variables: dict[str, Any], z_NxZ: jax.Array) -> jax.Array:
    """Returns the mean of p(x|z) for each code, NxHxWxC."""

    def decode(z_BxZ, key):
        del key  # nothing is random
        return model.apply(variables, z_BxZ, method="decode").mean

    return in_batches(decode, z_NxZ, jax.random.key(0))
