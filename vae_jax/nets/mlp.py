"""Fully connected encoder and decoder: Eq. 1 and Eq. 2 of the post, to any depth.

Encoder layer: F = g(θX + b). Decoder layer: X' = g(θ'F + b'). Here θ and b are the kernel
and bias of a `Dense` layer and g is `activation` (`output_activation` on the last layer).
"""

import math

import jax
from flax import linen as nn

from vae_jax.nets.base import Activation, Decoder, Encoder


def dense_layers(x: jax.Array, widths: tuple[int, ...], g: Activation) -> jax.Array:
    """Applies g(θx + b) once per width; call it inside a compact module. Shape BxN."""
    for width in widths:
        x = g(nn.Dense(width)(x))
    return x


class MLPEncoder(Encoder):
    """Images BxHxWxC -> hidden_sizes -> bottleneck_width -> outputs BxN."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images.reshape(images.shape[0], -1)
        x = dense_layers(x, (*self.hidden_sizes, self.bottleneck_width), self.activation)
        return self.output_activation(nn.Dense(self.output_size)(x))


class MLPDecoder(Decoder):
    """Codes BxZ -> bottleneck_width -> hidden_sizes reversed -> images BxHxWxC."""

    @nn.compact
    def __call__(self, codes: jax.Array) -> jax.Array:
        widths = (self.bottleneck_width, *reversed(self.hidden_sizes))
        x = dense_layers(codes, widths, self.activation)
        x = self.output_activation(nn.Dense(math.prod(self.image_shape))(x))
        return x.reshape(-1, *self.image_shape)


class LinearEncoder(Encoder):
    """One layer, F = g(θX + b) with g = `output_activation`: Eq. 1 alone, no hidden layer."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images.reshape(images.shape[0], -1)
        return self.output_activation(nn.Dense(self.output_size)(x))


class LinearDecoder(Decoder):
    """One layer, X' = g(θ'F + b') with g = `output_activation`: Eq. 2 alone."""

    @nn.compact
    def __call__(self, codes: jax.Array) -> jax.Array:
        x = self.output_activation(nn.Dense(math.prod(self.image_shape))(codes))
        return x.reshape(-1, *self.image_shape)
