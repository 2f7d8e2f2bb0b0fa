"""What a training step of convolutions costs on the CPU: XLA's own, and ours as matrix products.

    python -m benchmarks.convolutions [--dataset=mnist] [--batch_size=100]   (under 2 minutes on 2 cores)

The VAE of configs/vae.py:conv, channels 32 and 64. A line is one form of the convolutions, in steps
called one by one or in a `lax.scan` as in training, of one model or of 8 together under `vmap`. It
gives the milliseconds of a step of all these models, on the clock and of all cores together; the
share of this machine's matrix rate, by the FLOPs of XLA's own form; and the seconds of compiling,
on the clock and of all cores. Where other processes run beside it, trust the cores' columns alone.
"""

import argparse
import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from configs import vae
from vae_jax import build, cost, data
from vae_jax.config import override
from vae_jax.nets import strided
from vae_jax.train import TrainState, init_state, train_step

ROW = "{:<30}{:>10}{:>10}{:>13}{:>11}{:>15}"
Shape = tuple[int, int, int]


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Inside, programs for the CPU have XLA's own convolutions."""
    layers = (strided.Conv, strided.ConvTranspose)
    products = [layer.by_products for layer in layers]
    for layer in layers:
        layer.by_products = staticmethod(layer.by_convolution)
    try:
        yield
    finally:
        for layer, own in zip(layers, products, strict=True):
            layer.by_products = staticmethod(own)


ours = contextlib.nullcontext
ROWS = (  # name, form, models, in a scan, steps
    ("XLA's, one by one", plain, 1, False, 10),
    ("XLA's, in scan", plain, 1, True, 5),
    ("products, one by one", ours, 1, False, 10),
    ("products, in scan", ours, 1, True, 10),
    ("XLA's, in scan, 8 models", plain, 8, True, 2),
    ("products, in scan, 8 models", ours, 8, True, 5),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="mnist", choices=("digits", "mnist", "trees"))
    parser.add_argument("--batch_size", type=int, default=100)
    given = parser.parse_args()
    config = override(vae.get_config(f"{given.dataset},conv"), {"batch_size": given.batch_size})
    shape = data.source(given.dataset).image_shape
    with plain():
        flops = cost.cost(build.task(config), shape).flops_per_image * given.batch_size
    print(ROW.format("form", "ms", "CPU ms", "matrix rate", "compile s", "compile CPU s"))
    for name, form, models, scanned, steps in ROWS:
        with form():
            compiling, stepping = measure(config, shape, models, scanned, steps)
        share = models * flops / stepping[0] / cost.matrix_rate()
        milliseconds = (f"{1e3 * seconds:.1f}" for seconds in stepping)
        print(
            ROW.format(name, *milliseconds, f"{share:.1%}", *(f"{seconds:.1f}" for seconds in compiling)),
            flush=True,
        )


def measure(
    config: Any, shape: Shape, models: int, scanned: bool, steps: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Returns the seconds of compiling and of a step, each on the clock and of all cores."""
    task = build.task(config)
    step = functools.partial(train_step, task, build.hyper(config))
    pixels = np.random.default_rng(0).integers(0, 17, (steps, config.batch_size, *shape), dtype=np.uint8)
    batches, run = (pixels, functools.partial(jax.lax.scan, step)) if scanned else (pixels[0], step)
    state = init_state(task, jax.random.key(0), pixels[0, :1])
    if models > 1:
        run = jax.vmap(run, (0, None))
        state = jax.tree.map(lambda leaf: jnp.stack([leaf] * models), state)
    program, compiling = timed(jax.jit(run).lower(state, batches).compile)

    def train(state: TrainState) -> TrainState:
        for _ in range(1 if scanned else steps):
            state, _ = program(state, batches)
        return jax.block_until_ready(state)

    _, seconds = timed(functools.partial(train, state))
    return compiling, (seconds[0] / steps, seconds[1] / steps)


def timed(function: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """Returns the result, and the seconds on the clock and of all cores."""
    clock, cores = time.perf_counter(), time.process_time()
    result = function()
    return result, (time.perf_counter() - clock, time.process_time() - cores)


if __name__ == "__main__":
    main()
