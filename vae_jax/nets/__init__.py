"""Encoder and decoder trunks: linen modules with no probability in them.

Every encoder maps images BxHxWxC to outputs BxN, every decoder maps codes BxZ to images
BxHxWxC. All take the same arguments, so that a config can swap one for another.
"""

import jax
from flax import linen as nn

from vae_jax.nets.conv import ConvDecoder, ConvEncoder
from vae_jax.nets.mlp import LinearDecoder, LinearEncoder, MLPDecoder, MLPEncoder

ENCODERS = {"conv": ConvEncoder, "linear": LinearEncoder, "mlp": MLPEncoder}
DECODERS = {"conv": ConvDecoder, "linear": LinearDecoder, "mlp": MLPDecoder}


def _identity(x: jax.Array) -> jax.Array:
    return x


ACTIVATIONS = {
    "elu": nn.elu,
    "gelu": nn.gelu,
    "identity": _identity,
    "leaky_relu": nn.leaky_relu,
    "relu": nn.relu,
    "sigmoid": nn.sigmoid,
    "silu": nn.silu,
    "softplus": nn.softplus,
    "tanh": nn.tanh,
}
