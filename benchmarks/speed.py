"""How fast it is, as ratios measured in one run, so that they hold on any machine.

    make benchmark        (about 2 minutes; run it on an otherwise idle machine)

1. An epoch of the 784-500-20-500-784 VAE (batch 128, 60k images) through the whole training
   path (shuffling, metrics, validation, logging, checkpoints), against the barest loop that
   does the same arithmetic: a `lax.scan` over a hand-written step. Epochs alternate.
2. `experiments.train` on `digits` for one epoch, start to finish, with cold and warm caches.
3. Importing the package.
"""

import functools
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from configs import vae
from vae_jax import fit, pool
from vae_jax.attempt import Attempt
from vae_jax.config import override
from vae_jax.launch import quiet

EPOCHS, BATCH, IMAGES, VALID = 12, 128, 60_000, 10_000
TARGETS = {"epoch": 1.15, "cold": 12.0, "warm": 7.0, "import": 1.5}


class BareVAE(nn.Module):
    """The same arithmetic with nothing around it."""

    @nn.compact
    def __call__(self, x, key):
        h = nn.relu(nn.Dense(500)(x))
        mean, logvar = nn.Dense(20)(h), nn.Dense(20)(h)
        z = mean + jnp.exp(0.5 * logvar) * jax.random.normal(key, mean.shape)
        return nn.Dense(784)(nn.relu(nn.Dense(500)(z))), mean, logvar


def bare_epoch(images_NxD: jax.Array):
    """Returns a compiled epoch (state, key) -> state of the bare loop, and its first state."""
    model, optimizer = BareVAE(), optax.adam(1e-3)
    params = model.init(jax.random.key(0), images_NxD[:2], jax.random.key(1))
    steps = len(images_NxD) // BATCH

    def loss(params, x, key):
        logits, mean, logvar = model.apply(params, x, key)
        reconstruction = optax.sigmoid_binary_cross_entropy(logits, x).sum(-1)
        kl = 0.5 * (jnp.exp(logvar) + mean**2 - 1 - logvar).sum(-1)
        return (reconstruction + kl).mean()

    @functools.partial(jax.jit, donate_argnums=0)
    def epoch(state, key):
        order = jax.random.permutation(key, len(images_NxD))[: steps * BATCH].reshape(steps, BATCH)

        def step(state, i):
            grads = jax.grad(loss)(state[0], images_NxD[order[i]], jax.random.fold_in(key, i))
            updates, moments = optimizer.update(grads, state[1], state[0])
            return (optax.apply_updates(state[0], updates), moments), None

        return jax.lax.scan(step, state, jnp.arange(steps))[0]

    return epoch, (params, optimizer.init(params))


def epoch_times() -> tuple[list[float], list[float]]:
    """Returns seconds of the whole path's epochs and of the bare loop's, in alternation."""
    rng = np.random.default_rng(0)
    train, valid = np.split(rng.integers(0, 256, (IMAGES + VALID, 28, 28, 1), dtype=np.uint8), [IMAGES])
    images = fit.Images(jnp.asarray(train), jnp.asarray(valid > 127, jnp.float32))
    changes = {"binarize": "threshold", "latent_size": 20, "bottleneck_width": 500, "num_epochs": EPOCHS}
    config = override(vae.get_config("mnist"), changes)
    bare, state = bare_epoch(jnp.asarray(train.reshape(IMAGES, -1) / 255, jnp.float32))
    whole_times, bare_times = [], []
    with tempfile.TemporaryDirectory() as folder:
        attempt = Attempt(config, pathlib.Path(folder))
        whole = pool.Pool(attempt.task, [attempt], images, 1, quiet)
        list(whole.fill())
        for number in range(EPOCHS):
            began = time.perf_counter()
            whole.advance(whole.busy())
            whole.save(attempt.run.checkpoints)  # writes the metrics, and more checkpoints than training does
            between = time.perf_counter()
            state = jax.block_until_ready(bare(state, jax.random.key(number)))
            whole_times.append(between - began)
            bare_times.append(time.perf_counter() - between)
        attempt.end()
    return whole_times[1:], bare_times[1:]  # the first of each compiles


def command_seconds(cache: str, seed: int) -> float:
    """Returns the seconds of one `experiments.train` on digits, a process of its own."""
    with tempfile.TemporaryDirectory() as workdir:
        options = ["--config=configs/vae.py", "--config.num_epochs=1", f"--config.seed={seed}"]
        command = [sys.executable, "-m", "experiments.train", *options, f"--workdir={workdir}"]
        return _seconds(command, os.environ | {"VAE_JAX_CACHE": cache})


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _print(name: str, value: float, unit: str, key: str) -> None:
    verdict = "met" if value <= TARGETS[key] else "missed"
    print(f"{name:<58}{value:8.2f} {unit:<3} target {TARGETS[key]:g}: {verdict}", flush=True)


def main() -> None:
    whole, bare = epoch_times()
    ratio = statistics.median(a / b for a, b in zip(whole, bare, strict=True))
    medians = statistics.median(whole), statistics.median(bare)
    print("epoch, medians: whole path {:.2f} s, bare loop {:.2f} s".format(*medians))
    _print("epoch, whole path / bare lax.scan (median of ratios)", ratio, "", "epoch")
    with tempfile.TemporaryDirectory() as cache:
        _print("experiments.train, one epoch of digits, cold caches", command_seconds(cache, 0), "s", "cold")
        warm = statistics.median(command_seconds(cache, seed) for seed in (1, 2, 3))
        _print("the same with another seed, warm caches (median of 3)", warm, "s", "warm")
    imports = [sys.executable, "-c", "import vae_jax.launch"]
    _print(
        "import vae_jax.launch",
        statistics.median(_seconds(imports, os.environ) for _ in range(3)),
        "s",
        "import",
    )


if __name__ == "__main__":
    main()
