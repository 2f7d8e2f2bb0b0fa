"""How fast runs train together, measured on this machine, once for every program and kept."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from vae_jax import build, cost, data, fit
from vae_jax.config import hash_text, read_json, resolved_json
from vae_jax.errors import UsageError
from vae_jax.paths import cache_dir, write_whole
from vae_jax.sweeps.cores import as_text, cores, environments, from_text, most, pin, shares

TRIAL_SECONDS = 0.5  # of one trial, roughly
NO_PROGRAM = (
    *("seed", "learning_rate", "beta", "kl_warmup_epochs", "num_epochs", "stop_epoch"),
    "early_stopping_patience",
)


@dataclasses.dataclass(frozen=True)
class Speed:
    """Attributes:
    compile_seconds: until a new program runs.
    run_step_seconds: of wall time for one step of one run, when everything is busy: twice as
      many processes of the same speed have half of it.
    """

    compile_seconds: float
    run_step_seconds: float


def speed(config: ConfigDict, width: int, processes: int) -> Speed:
    """Returns the speed of `processes` at once, each training `width` runs like `config` together.

    Measured by a few steps the first time, which takes some seconds; then from the cache.
    """
    here = min(processes, most())
    found = _known(config, width, here)
    if found is None:
        found = trial(config, width) if here == 1 else _trials_at_once(config, width, here)
        _keep(config, width, here, found)
    # Machines of a cluster are taken to be like this one.
    return dataclasses.replace(found, run_step_seconds=found.run_step_seconds * here / processes)


def learn(config: ConfigDict, width: int, processes: int, run_step_seconds: float) -> None:
    """Puts what real training took in the place of what the trial took; a busy machine misleads."""
    if (known := _known(config, width, processes)) is not None:
        _keep(config, width, processes, dataclasses.replace(known, run_step_seconds=run_step_seconds))


def _known(config: ConfigDict, width: int, processes: int) -> Speed | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Speed(**json.loads(_path(config, width, processes).read_text()))
    return None


def _keep(config: ConfigDict, width: int, processes: int, found: Speed) -> None:
    path = _path(config, width, processes)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(dataclasses.asdict(found)))


def trial(config: ConfigDict, width: int) -> Speed:
    """Measures in this process: an epoch over a part of the data, three times after the compilation."""
    task, source = build.task(config), data.source(config.dataset)
    share = min(1.0, TRIAL_SECONDS / _epoch_seconds_at_least(task, source, width))
    steps = max(3, int(share * (source.sizes[0] // task.batch_size)))
    images = _noise(source, steps * task.batch_size, max(1, int(share * source.sizes[1])))
    limits = fit.Limits(*(jnp.int32(number) for number in (10**6, 0, 0)))
    member = fit.Member(build.hyper(config), limits, fit.start(task, 0, images))
    members, seconds = fit.repeat(member, width), []
    for _ in range(4):
        began = time.perf_counter()
        members, *_ = jax.block_until_ready(fit.advance(task, images, members))
        seconds.append(time.perf_counter() - began)
    usual = min(seconds[1:])  # other work on the machine only ever adds
    return Speed(max(seconds[0] - usual, 0.0), usual / steps / width)


def _trials_at_once(config: ConfigDict, width: int, processes: int) -> Speed:
    """Measures in so many processes at the same time, each on cores of its own."""
    command = [sys.executable, "-c", "from vae_jax.sweeps.speed import main; main()", str(width)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [
        subprocess.Popen([*command, as_text(own)], env=os.environ | environment, **pipes)
        for own, environment in zip(shares(processes), environments(processes), strict=True)
    ]
    for process in running:
        process.stdin.write(resolved_json(config, ""))
        process.stdin.close()
    told = [process.stdout.read() for process in running]
    if any(process.wait() for process in running):
        raise UsageError("a process that measures the speed of training ended with an error")
    found = [Speed(**json.loads(text)) for text in told]
    slowest = max(one.run_step_seconds for one in found)
    return Speed(max(one.compile_seconds for one in found), slowest / processes)


def _epoch_seconds_at_least(task: Any, source: data.Source, width: int) -> float:
    flops = cost.cost(task, source.image_shape).flops_per_image * source.sizes[0] * width
    return flops / cost.matrix_rate()


def _noise(source: data.Source, train: int, valid: int) -> fit.Images:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, source.max_value + 1, (train, *source.image_shape), dtype=np.uint8)
    return fit.Images(jnp.asarray(pixels), jnp.asarray(pixels[:valid] > 0, jnp.float32))


def _path(config: ConfigDict, width: int, processes: int) -> pathlib.Path:
    fields: Mapping[str, Any] = {n: v for n, v in config.to_dict().items() if n not in NO_PROGRAM}
    machine = [jax.devices()[0].device_kind, len(cores()), jax.__version__]
    key = hash_text(json.dumps([fields, machine, width, processes], sort_keys=True))[:16]
    return cache_dir() / "speeds" / f"{key}.json"


def main() -> None:
    """Measures in a process of its own: arguments width and cores, the config on stdin."""
    pin(from_text(sys.argv[2]))
    config, _ = read_json(sys.stdin.read())
    print(json.dumps(dataclasses.asdict(trial(config, int(sys.argv[1])))))
