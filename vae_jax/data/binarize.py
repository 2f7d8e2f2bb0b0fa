"""Binarisation as a choice of data: none, threshold, sampled.

`sampled` is Salakhutdinov & Murray's (2008): each pixel is 1 with the probability of its
grey value. Train images are drawn anew every time they are seen, valid and test once.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

SEEDS = {"train": 0, "valid": 1, "test": 2}
BINARIZATIONS = ("none", "sampled", "threshold")


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """uint8 images -> float32 images in [0, 1], inside a compiled step.

    Attributes:
      binarize: one of BINARIZATIONS.
      max_value: the uint8 value of a fully lit pixel.
    """

    binarize: str
    max_value: int

    def __call__(self, key: jax.Array, images: jax.Array) -> jax.Array:
        grey = images.astype(jnp.float32) / self.max_value
        if self.binarize == "sampled":
            return (_levels(key, images.shape) < 2**16 * grey).astype(jnp.float32)
        return (grey > 0.5).astype(jnp.float32) if self.binarize == "threshold" else grey


def _levels(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Returns uniform whole numbers below 2^16, as float32.

    16 bits for a pixel, half of what `jax.random.bernoulli` draws, which is a quarter of a small
    model's training step; a pixel's probability is off by 2^-16 at most.
    """
    size = math.prod(shape)
    words = jax.random.bits(key, (-(-size // 2),), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).ravel()[:size].reshape(shape).astype(jnp.float32)


def draw_once(preprocess: Preprocess, images: np.ndarray, split: str) -> np.ndarray:
    """Returns float32 images in [0, 1] for valid and test; the same draw for every run.

    Drawn with NumPy's frozen generator, so that not even another version of JAX changes it, and
    from another seed for each split ("train", "valid", "test").
    """
    grey = images.astype(np.float32) / preprocess.max_value
    if preprocess.binarize == "none":
        return grey
    sampled = preprocess.binarize == "sampled"
    levels = np.random.RandomState(SEEDS[split]).random_sample(images.shape) if sampled else 0.5
    return (grey > levels).astype(np.float32)
