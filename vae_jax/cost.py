"""What a run costs, known before it is trained and without compiling anything."""

import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.errors import UsageError
from vae_jax.model import variables
from vae_jax.train import Hyper, Task, TrainState, init_state, train_step


@dataclasses.dataclass(frozen=True)
class Cost:
    """Attributes:
    parameters: numbers that are trained, encoder and decoder together.
    flops_per_image: of one training step (forward, backward, update) over its batch size,
      as XLA counts them before optimisation.
    """

    parameters: int
    flops_per_image: float


@functools.lru_cache(maxsize=256)
def cost(task: Task, image_shape: tuple[int, int, int]) -> Cost:
    """Returns the cost of `task` on images of shape (H, W, C)."""
    pixels = jax.ShapeDtypeStruct((task.batch_size, *image_shape), jnp.uint8)
    state = state_shapes(task, image_shape)
    numbers = [field.name for field in dataclasses.fields(Hyper) if field.name != "mask"]
    hyper = Hyper(**dict.fromkeys(numbers, jax.ShapeDtypeStruct((), jnp.float32)))
    flops = _flops(functools.partial(train_step, task), hyper, state, pixels)
    return Cost(count(state.params), flops / task.batch_size)


def _flops(function: Callable[..., Any], *shapes: Any) -> float:
    """Returns what XLA counts for the CPU: for a GPU it counts nothing before it has compiled."""
    with jax.default_device(cpu()), jax.default_matmul_precision("highest"):  # a GPU has other names
        return (jax.jit(function).lower(*shapes).cost_analysis() or {}).get("flops", math.nan)


def cpu() -> jax.Device:
    """Returns the processor; UsageError where JAX was told to leave it out."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError as error:
        raise UsageError("FLOPs are counted on the CPU: make it JAX_PLATFORMS=cuda,cpu") from error


@functools.lru_cache(maxsize=256)
def state_shapes(task: Task, image_shape: tuple[int, int, int]) -> TrainState:
    """Returns the shapes and types of the state that `task` trains."""
    pixels = jax.ShapeDtypeStruct((1, *image_shape), jnp.uint8)
    return init_state.eval_shape(task, jax.random.key(0), pixels)


def count(tree: Any) -> int:
    """Returns how many numbers there are in the arrays of `tree`."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def state_bytes(task: Task, image_shape: tuple[int, int, int]) -> int:
    """Returns what training keeps at least: two states, the best parameters and the gradients."""
    state = state_shapes(task, image_shape)
    return 4 * 2 * (count(state) + count(state.params))


@functools.lru_cache(maxsize=256)
def step_bytes(task: Task, image_shape: tuple[int, int, int]) -> int:
    """Returns what a training step keeps of its batch from the way forward for the way back."""
    images = jax.ShapeDtypeStruct((task.batch_size, *image_shape), jnp.float32)
    params = state_shapes(task, image_shape).params

    def kept(params, images):
        def forward(params):
            terms = task.model.apply(variables(params, jnp.float32(1.0)), images, jax.random.key(0))
            return task.loss(terms, jnp.float32(1.0))[0]

        return jax.vjp(forward, params)[1]

    return 4 * max(count(jax.eval_shape(kept, params, images)) - count(params), 0)


def memory_limit() -> int:
    """Returns the bytes of the device, or of the machine where the device is the CPU."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_memory(task: Task, image_shape: tuple[int, int, int]) -> None:
    """Raises UsageError where the model cannot be held, whatever the batch."""
    needed, limit = state_bytes(task, image_shape), memory_limit()
    if needed > limit:
        parameters = count(state_shapes(task, image_shape).params)
        raise UsageError(
            f"{parameters:,} parameters need {needed / 1e9:.0f} GB to train, "
            f"and there are {limit / 1e9:.0f}: make bottleneck_width, latent_size or hidden_sizes smaller"
        )


@functools.cache
def matrix_rate() -> float:
    """Returns this machine's matrix rate in FLOP/s: the best of a few products, large enough to fill it."""
    side = 1024 if jax.default_backend() == "cpu" else 8192
    matrix = jnp.ones((side, side))
    product = jax.jit(jnp.matmul)
    product(matrix, matrix).block_until_ready()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds)
