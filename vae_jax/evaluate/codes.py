"""The code of an image: the mean of q(z|x)."""

import functools
from typing import Any

import jax
import numpy as np

from vae_jax.batching import in_batches
from vae_jax.model import Autoencoder


def codes(model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: jax.Array) -> np.ndarray:
    """Returns the posterior means of images in [0, 1], NxZ."""
    return np.asarray(_codes(model, variables, images_NxHxWxC))


@functools.partial(jax.jit, static_argnames="model")
def _codes(model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: jax.Array) -> jax.Array:
    def encode(images, key):
        del key
        return model.apply(variables, images, method="encode").mean_BxZ

    return in_batches(encode, images_NxHxWxC, jax.random.key(0))
