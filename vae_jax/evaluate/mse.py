"""Mean squared error per pixel (not per image: that is H·W·C times as much)."""

import functools
from typing import Any

import jax

from vae_jax.batching import in_batches
from vae_jax.model import Autoencoder


@functools.partial(jax.jit, static_argnames="model")
def mse(model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: jax.Array) -> jax.Array:
    """Returns the mean over pixels and images of (x - x')²; x' is rebuilt from the mean code."""
    return ((images_NxHxWxC - reconstruct(model, variables, images_NxHxWxC)) ** 2).mean()


@functools.partial(jax.jit, static_argnames="model")
def reconstruct(model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: jax.Array) -> jax.Array:
    """Returns x', the mean of p(x|z) at the mean z of q(z|x), NxHxWxC."""

    def rebuild(images, key):
        del key
        code = model.apply(variables, images, method="encode").mean_BxZ
        return model.apply(variables, code, method="decode").mean

    return in_batches(rebuild, images_NxHxWxC, jax.random.key(0))
