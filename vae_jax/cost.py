"""What a run costs, known before it is trained and without compiling anything."""

import dataclasses
import functools
import math
import time

import jax
import jax.numpy as jnp

from vae_jax.train import Hyper, Task, init_state, train_step


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
    state = jax.eval_shape(functools.partial(init_state, task), jax.random.key(0), pixels)
    hyper = Hyper(*[jax.ShapeDtypeStruct((), jnp.float32) for _ in dataclasses.fields(Hyper)])
    lowered = jax.jit(functools.partial(train_step, task)).lower(hyper, state, pixels)
    flops = (lowered.cost_analysis() or {}).get("flops", math.nan)
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params))
    return Cost(parameters, flops / task.batch_size)


@functools.cache
def matrix_rate(side: int = 1024) -> float:
    """Returns this machine's float32 matrix rate in FLOP/s: the best of a few products."""
    matrix = jnp.ones((side, side))
    product = jax.jit(jnp.matmul)
    product(matrix, matrix).block_until_ready()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds)
