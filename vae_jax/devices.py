"""One run over several devices: parameters and images on each of them, every batch split between them.

It is `fit.advance`, compiled for a mesh: the same order of images, the same noise, the same steps.
Only the sums over a batch are added up in another order, so that a run agrees with one on a single
device to rounding. The devices may belong to several processes: see `distributed`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from vae_jax import distributed, fit
from vae_jax.batching import DATA
from vae_jax.errors import UsageError
from vae_jax.train import Task


def mesh(count: int, batch_size: int) -> Mesh | None:
    """Returns the first `count` devices as the axis along which a batch is split; None for a single one.

    A count that does not divide the batch is no harm: some devices then take an image less.

    Raises:
      UsageError: there are fewer devices, or fewer images in a batch.
    """
    there = jax.devices()
    if not 1 <= count <= len(there):
        raise UsageError(f"cannot train on {count} devices: there are {len(there)} ({there[0].device_kind})")
    if count > batch_size:
        raise UsageError(f"cannot split a batch over {count} devices: batch_size is {batch_size}")
    if count == 1:
        return None
    return jax.make_mesh((count,), (DATA,), axis_types=(AxisType.Auto,), devices=there[:count])


def place(tree: Any, mesh: Mesh | None) -> Any:
    """Returns arrays that all processes have as arrays that every device of the mesh has, whole."""
    if mesh is None:
        return tree
    return jax.make_array_from_process_local_data(_on_all(mesh), tree)


def advance(
    task: Task, images: fit.Images, members: fit.Member
) -> tuple[fit.Member, dict[str, jax.Array], dict[str, jax.Array]]:
    """Returns `fit.advance` of the same arguments, on all devices that have the images.

    The members, given and returned, are on one device of this process: what else is done with them
    knows nothing of the others. Sending them anew each epoch costs as much as a few steps do, whose
    gradients make the same way.
    """
    if len(images.train.devices()) == 1:
        return fit.advance(task, images, members)
    mesh = images.train.sharding.mesh
    with distributed.in_step(), jax.set_mesh(mesh):
        members = place(distributed.from_first(members), mesh)
        after = _compiled(mesh)(task, images, members)
        return jax.block_until_ready(jax.tree.map(lambda leaf: leaf.addressable_data(0), after))


@functools.cache
def _compiled(mesh: Mesh) -> Callable[..., Any]:
    options = {"static_argnames": "task", "donate_argnames": "members"}
    return jax.jit(fit.advance, out_shardings=_on_all(mesh), **options)


def _on_all(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())
