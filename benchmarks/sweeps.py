"""What a sweep costs as one program, against separate commands and a bare vmap; flat per run or not.

    python -m benchmarks.sweeps        (about 4 minutes; run it on an otherwise idle machine)

1. 32 runs (8 learning rates x 4 seeds) of a small VAE on `digits`, as long as the shipped config
   trains: one sweep command, against 32 `experiments.train` commands (the median of three, times
   32), and against a bare program: a hand-written vmap that trains, validates and keeps the best
   parameters of the same 32 runs, and evaluates them, but writes nothing. All with warm
   caches, start-up included.
2. Seconds per run, and memory, of sweeps of 8, 32, 128 and 512 runs.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from configs import common

CONFIG = """
from configs import vae

def get_config(arg=""):
    config = vae.get_config()
    config.update(latent_size=2, bottleneck_width=16, num_epochs={epochs})
    return config

def sweep_rate():
    for rate in (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2):
        yield {{"learning_rate": rate}}

def sweep_seeds():
    for seed in range({first}, {last}):
        yield {{"seed": seed}}
"""
EPOCHS, FLAT_EPOCHS = common.NUM_EPOCHS["digits"], 50
LOCAL = "--executor=local"
TARGETS = {"commands": 0.1, "bare": 1.1, "flat": 1.2}


def write_config(folder: pathlib.Path, first: int, last: int, epochs: int) -> pathlib.Path:
    path = folder / f"config_{first}_{last}_{epochs}.py"
    path.write_text(CONFIG.format(first=first, last=last, epochs=epochs))
    return path


def timed(*arguments: str) -> tuple[float, float]:
    """Returns seconds and the largest resident memory in MB of `python arguments...`."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} ended with {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def sweep(folder: pathlib.Path, first: int, last: int, epochs: int, *more: str) -> tuple[float, float]:
    config = write_config(folder, first, last, epochs)
    workdir = folder / f"runs_{first}_{last}_{epochs}"
    options = [f"--config={config}", "--sweep=rate,seeds", f"--workdir={workdir}", *more]
    return timed("-m", "experiments.sweep", *options)


def train(folder: pathlib.Path, seed: int) -> float:
    config = write_config(folder, 0, 4, EPOCHS)
    options = [f"--config={config}", f"--config.seed={seed}", f"--workdir={folder / 'single'}"]
    return timed("-m", "experiments.train", *options)[0]


def bare(config: pathlib.Path) -> None:
    """The hand-written program: what a user would write for these 32 runs and no others."""
    import importlib.util

    import jax
    import jax.numpy as jnp
    import optax

    from vae_jax import build, data
    from vae_jax.compilation import set_up
    from vae_jax.evaluate.bounds import per_image
    from vae_jax.evaluate.knn import knn_accuracy
    from vae_jax.model import variables

    set_up()
    spec = importlib.util.spec_from_file_location("config", config)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings = module.get_config()
    task, digits = build.task(settings), data.load("digits")
    model, batch = task.model, settings.batch_size
    train_images = jnp.asarray(digits.train.images) / 16.0
    valid, test = (
        jnp.asarray(data.draw_once(task.preprocess, s.images, n))
        for s, n in ((digits.valid, "valid"), (digits.test, "test"))
    )
    steps = len(train_images) // batch
    rates = jnp.asarray([part["learning_rate"] for part in module.sweep_rate() for _ in module.sweep_seeds()])
    seeds = jnp.asarray([part["seed"] for _ in module.sweep_rate() for part in module.sweep_seeds()])
    schedule = optax.cosine_decay_schedule(1.0, settings.num_epochs * steps)
    adam = optax.scale_by_adam()

    def loss(params, images, key):
        terms = model.apply(variables(params, 0.0), images, key)
        return (terms.reconstruction_B + terms.kl_BxZ.sum(-1)).mean()

    @jax.jit
    @jax.vmap
    def start(seed):
        key = jax.random.key(seed)
        params = model.init(key, train_images[:1], key)["params"]
        return params, adam.init(params), params, jnp.inf, key

    @jax.jit
    def epoch(members, number):
        def one(member, rate):
            params, moments, best, best_loss, key = member
            keys = jax.random.split(jax.random.fold_in(key, number), 3)
            order = jax.random.permutation(keys[0], len(train_images))[: steps * batch].reshape(steps, batch)

            def step(carry, chosen):
                params, moments, i = carry
                own = jax.random.split(jax.random.fold_in(keys[1], i))
                images = jax.random.bernoulli(own[0], train_images[chosen]).astype(jnp.float32)
                value, grads = jax.value_and_grad(loss)(params, images, own[1])
                updates, moments = adam.update(grads, moments)
                scale = -rate * schedule(number * steps + i)
                params = jax.tree.map(lambda p, u: p + scale * u, params, updates)
                return (params, moments, i + 1), value

            (params, moments, _), values = jax.lax.scan(step, (params, moments, 0), order)
            found = loss(params, valid, keys[2])
            best = jax.tree.map(lambda new, old: jnp.where(found < best_loss, new, old), params, best)
            return (params, moments, best, jnp.minimum(found, best_loss), key), values.mean()

        return jax.vmap(one)(members, rates)

    @jax.jit
    def codes(params, images):
        return model.apply(variables(params, 0.0), images, method="encode").mean_BxZ

    members = start(seeds)
    for number in range(settings.num_epochs):
        members, values = epoch(members, number)
        values.block_until_ready()
    for i in range(len(seeds)):
        params = jax.tree.map(lambda leaf, i=i: leaf[i], members[2])
        nll = -per_image(model, variables(params, 0.0), test, jax.random.key(2), 100)["bound"].mean()
        known, asked = codes(params, train_images), codes(params, test)
        near = knn_accuracy(known, digits.train.labels, asked, digits.test.labels, 5)
        json.dumps([float(nll), near])


def main() -> None:
    if sys.argv[1:2] == ["--bare"]:
        bare(pathlib.Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["VAE_JAX_CACHE"] = str(folder / "cache")
        config = write_config(folder, 4, 8, EPOCHS)
        sweep(folder, 0, 4, EPOCHS)  # fills the caches, as the next two do
        train(folder, 100), timed("-m", "benchmarks.sweeps", "--bare", str(config))
        whole, _ = sweep(folder, 4, 8, EPOCHS)
        bare_seconds, _ = timed("-m", "benchmarks.sweeps", "--bare", str(config))
        alone = 32 * statistics.median(train(folder, seed) for seed in (101, 102, 103))
        print(
            f"32 runs of {EPOCHS} epochs: one sweep {whole:.1f} s, "
            f"32 commands {alone:.0f} s, bare vmap {bare_seconds:.1f} s"
        )
        report("one sweep / 32 commands", whole / alone, "commands")
        report("one sweep / bare vmap", whole / bare_seconds, "bare")
        flat(folder)


def flat(folder: pathlib.Path) -> None:
    """Prints seconds per run and memory of larger and larger sweeps."""
    per_run = {}
    for runs in (8, 32, 128, 512):
        seconds, memory = sweep(folder, 1000, 1000 + runs // 8, FLAT_EPOCHS, LOCAL)
        per_run[runs] = seconds / runs
        print(
            f"{runs:4} runs of {FLAT_EPOCHS} epochs: {seconds / runs:.3f} s a run, {memory:.0f} MB",
            flush=True,
        )
    report("seconds per run: 512 runs / 32 runs", per_run[512] / per_run[32], "flat")


def report(name: str, value: float, key: str) -> None:
    verdict = "met" if value <= TARGETS[key] else "missed"
    print(f"{name:<50}{value:8.3f}   target {TARGETS[key]:g}: {verdict}", flush=True)


if __name__ == "__main__":
    main()
