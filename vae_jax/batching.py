"""Applying a function to many images, a batch at a time, inside a compiled program."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

Outputs = TypeVar("Outputs")
BATCH_SIZE = 500  # bounds the memory of an evaluation
DATA = "data"  # the axis of a mesh along which a batch is split


def split(batch: jax.Array) -> jax.Array:
    """Returns the batch, its first axis split over the devices of the mesh in use, if there is one."""
    if jax.sharding.get_abstract_mesh().empty:
        return batch
    return jax.lax.with_sharding_constraint(batch, PartitionSpec(DATA))


def in_batches(
    per_batch: Callable[[jax.Array, jax.Array], Outputs],
    images_NxHxWxC: jax.Array,
    key: jax.Array,
    batch_size: int = BATCH_SIZE,
) -> Outputs:
    """Returns per_batch(images, key) of all images: arrays whose first axis is N.

    The last batch is filled up with zeros, whose outputs are dropped. Every batch has a key
    of its own.
    """
    count = len(images_NxHxWxC)
    size = min(batch_size, count)
    steps = -(-count // size)
    fill = [(0, steps * size - count)] + [(0, 0)] * (images_NxHxWxC.ndim - 1)
    batches = jnp.pad(images_NxHxWxC, fill).reshape(steps, size, *images_NxHxWxC.shape[1:])
    keys = jax.random.split(key, steps)
    outputs = jax.lax.map(lambda batch: per_batch(split(batch[0]), batch[1]), (batches, keys))
    return jax.tree.map(lambda x: x.reshape(steps * size, *x.shape[2:])[:count], outputs)
