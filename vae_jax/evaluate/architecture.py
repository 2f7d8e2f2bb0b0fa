"""The layers of a model as they are: read from its parameters and from what passes through it."""

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from vae_jax.cost import count
from vae_jax.model import Autoencoder


class Layer(NamedTuple):
    """A layer of an encoder or a decoder.

    Attributes:
      side: encoder or decoder.
      kind: name of its class, such as Dense.
      shape: of its output for one image: (width,) or (height, width, channels).
      parameters: how many numbers of the model's parameter tree are its own.
    """

    side: str
    kind: str
    shape: tuple[int, ...]
    parameters: int

    @property
    def values(self) -> int:
        return math.prod(self.shape)


def layers(model: Autoencoder, variables: dict[str, Any], image_shape: tuple[int, int, int]) -> list[Layer]:
    """Returns the layers that have parameters, in the order in which an image passes them.

    Args:
      variables: of the model: arrays, or their shapes and types.
      image_shape: (H, W, C).
    """
    found: list[Layer] = []

    def note(call, args, kwargs, context):
        output = call(*args, **kwargs)
        side, *inner = context.module.path or ("model",)
        own = functools.reduce(
            lambda tree, name: tree.get(name, {}), inner, variables["params"].get(side, {})
        )
        if side in _SIDES and context.method_name == "__call__" and _has_arrays(own):
            found.append(Layer(side, type(context.module).__name__, output.shape[1:], count(own)))
        return output

    def forward(variables, image):
        q = model.apply(variables, image, method="encode")
        return model.apply(variables, q.mean_BxZ, method="decode").mean

    with nn.intercept_methods(note):
        jax.eval_shape(forward, variables, jax.ShapeDtypeStruct((1, *image_shape), jnp.float32))
    return found


_SIDES = ("encoder", "decoder")


def _has_arrays(tree: Mapping[str, Any]) -> bool:
    """Returns whether parameters stand in the tree itself, not only in those of parts of it."""
    return any(not isinstance(leaf, Mapping) for leaf in tree.values())
