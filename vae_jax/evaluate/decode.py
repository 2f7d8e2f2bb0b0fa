"""The image of a code: the mean of p(x|z)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.batching import in_batches
from vae_jax.model import Autoencoder


def decode(model: Autoencoder, variables: dict[str, Any], codes_NxZ: np.ndarray) -> np.ndarray:
    """Returns the decoder's means at codes, NxHxWxC."""
    return np.asarray(_decode(model, variables, jnp.asarray(codes_NxZ, jnp.float32)))


@functools.partial(jax.jit, static_argnames="model")
def _decode(model: Autoencoder, variables: dict[str, Any], codes_NxZ: jax.Array) -> jax.Array:
    def per_batch(codes, key):
        del key
        return model.apply(variables, codes, method="decode").mean

    return in_batches(per_batch, codes_NxZ, jax.random.key(0))
