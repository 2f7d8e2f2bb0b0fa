"""The fields that every encoder and every decoder has, so that a config can swap one for another."""

from collections.abc import Callable

import jax
from flax import linen as nn

Activation = Callable[[jax.Array], jax.Array]


class Encoder(nn.Module):
    """Images BxHxWxC -> outputs BxN. Subclasses define `__call__`.

    Attributes:
      output_size: N, the number of outputs.
      bottleneck_width: width of the narrowest hidden layer, the one next to the code.
      hidden_sizes: what comes before it, from the image inwards: widths or channels.
      activation: g of the hidden layers.
      output_activation: g of the last layer.
    """

    output_size: int
    bottleneck_width: int
    hidden_sizes: tuple[int, ...]
    activation: Activation
    output_activation: Activation


class Decoder(nn.Module):
    """Codes BxZ -> images BxHxWxC. Subclasses define `__call__`.

    Attributes: those of `Encoder`, but `image_shape` (H, W, C) in place of `output_size`.
    `hidden_sizes` is given from the image inwards here too: one value describes a mirrored pair.
    """

    image_shape: tuple[int, int, int]
    bottleneck_width: int
    hidden_sizes: tuple[int, ...]
    activation: Activation
    output_activation: Activation
