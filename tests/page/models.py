"""Untrained models of every kind."""

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import likelihoods, nets
from vae_jax.model import Autoencoder
from vae_jax.posteriors import Delta
from vae_jax.priors import NoPrior


def autoencoder(net, activation, likelihood, image_shape=(5, 6, 1)):
    """Returns a model with a code of 3 dimensions and its variables, random biases among them."""
    g = nets.ACTIVATIONS[activation]
    trunk = {"bottleneck_width": 7, "hidden_sizes": (4, 6), "activation": g, "output_activation": g}
    model = Autoencoder(
        encoder=nets.ENCODERS["linear"](output_size=3, **trunk),
        posterior=Delta,
        prior=NoPrior(),
        decoder=nets.DECODERS[net](image_shape=image_shape, **trunk),
        likelihood=likelihoods.LIKELIHOODS[likelihood](),
    )
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), images, jax.random.key(0))
    rng = np.random.default_rng(0)
    return model, jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), shapes)
