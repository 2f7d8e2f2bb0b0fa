"""Convolutional encoder and decoder for images of any size.

Each convolution of stride 2 halves the sides, rounding up; the decoder doubles them and
crops to the very sizes the encoder had, so that odd sides work as well as powers of two.
"""

import math

import jax
from flax import linen as nn

from vae_jax.nets.base import Decoder, Encoder
from vae_jax.nets.strided import Conv, ConvTranspose


def halvings(side: int, times: int) -> list[int]:
    """Returns the side after 0, 1, ..., `times` halvings, rounding up: 28 -> 14 -> 7 -> 4."""
    sides = [side]
    for _ in range(times):
        sides.append(-(-sides[-1] // 2))
    return sides


class ConvEncoder(Encoder):
    """Images BxHxWxC -> strided 3x3 convolutions -> bottleneck_width -> outputs BxN.

    `hidden_sizes` are the channels of the convolutions; the dense layer after them is
    `bottleneck_width` wide.
    """

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images
        for channels in self.hidden_sizes:
            x = self.activation(Conv(channels)(x))
        x = x.reshape(x.shape[0], -1)
        x = self.activation(nn.Dense(self.bottleneck_width)(x))
        return self.output_activation(nn.Dense(self.output_size)(x))


class ConvDecoder(Decoder):
    """Codes BxZ -> bottleneck_width -> transposed convolutions -> images BxHxWxC.

    `hidden_sizes` are the channels from the image inwards, as for `ConvEncoder`.
    """

    @nn.compact
    def __call__(self, codes: jax.Array) -> jax.Array:
        height, width, channels = self.image_shape
        depth = len(self.hidden_sizes)
        sizes = list(zip(halvings(height, depth), halvings(width, depth), strict=True))
        grid = (*sizes[-1], self.hidden_sizes[-1])
        x = self.activation(nn.Dense(self.bottleneck_width)(codes))
        x = self.activation(nn.Dense(math.prod(grid))(x)).reshape(-1, *grid)
        for features, size in zip(reversed(self.hidden_sizes[:-1]), reversed(sizes[1:-1]), strict=True):
            x = self.activation(self._enlarge(x, features, size))
        return self.output_activation(self._enlarge(x, channels, (height, width)))

    def _enlarge(self, x: jax.Array, features: int, size: tuple[int, int]) -> jax.Array:
        x = ConvTranspose(features)(x)
        return x[:, : size[0], : size[1], :]
