"""The posteriors q(z|x) of images, and their codes: the means."""

import functools
from typing import Any

import jax
import numpy as np

from vae_jax.batching import in_batches
from vae_jax.model import Autoencoder
from vae_jax.posteriors import Delta, DiagonalGaussian


def codes(model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: jax.Array) -> np.ndarray:
    """Returns the posterior means of images in [0, 1], NxZ."""
    return np.asarray(posterior(model, variables, images_NxHxWxC).mean_BxZ)


@functools.partial(jax.jit, static_argnames="model")
def posterior(
    model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: jax.Array
) -> DiagonalGaussian | Delta:
    """Returns q(z|x) of every image; B, in the names of its arrays, is N."""

    def encode(images, key):
        del key
        return model.apply(variables, images, method="encode")

    return in_batches(encode, images_NxHxWxC, jax.random.key(0))
