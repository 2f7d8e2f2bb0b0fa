"""How fast runs train together, measured on this machine, once for every program and kept."""

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
WORTHWHILE = 0.95  # a wider population is no faster unless it takes less than so much of the time
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


def speeds(config: ConfigDict, widths: Sequence[int], processes: int) -> dict[int, Speed]:
    """Returns the speed of `processes` at once, each training so many runs like `config` together.

    Measured by a few steps the first time, which takes some seconds for each width; then from the
    cache.

    Args:
      widths: in rising order. Those after one that is no faster than the one before are left out.
    """
    here = min(processes, most())
    found = _known(config, here)
    if not set(_worth(found, widths)) <= found.keys():
        found |= trials(config, widths) if here == 1 else _trials_at_once(config, widths, here)
        _keep(config, here, found)
    # Machines of a cluster are taken to be like this one.
    share = here / processes
    return {
        width: dataclasses.replace(found[width], run_step_seconds=found[width].run_step_seconds * share)
        for width in _worth(found, widths)
        if width in found
    }


def learn(config: ConfigDict, width: int, processes: int, run_step_seconds: float) -> None:
    """Puts what real training took in the place of what the trial took; a busy machine misleads."""
    known = _known(config, processes)
    if width in known:
        seen = dataclasses.replace(known[width], run_step_seconds=run_step_seconds)
        _keep(config, processes, known | {width: seen})


def _worth(found: Mapping[int, Speed], widths: Sequence[int]) -> list[int]:
    """Returns the widths up to the first that is no faster than the one before it."""
    for index, (narrow, wide) in enumerate(itertools.pairwise(widths), 2):
        known = {narrow, wide} <= found.keys()
        if known and found[wide].run_step_seconds > WORTHWHILE * found[narrow].run_step_seconds:
            return list(widths[:index])
    return list(widths)


def _known(config: ConfigDict, processes: int) -> dict[int, Speed]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return _from_text(_path(config, processes).read_text())
    return {}


def _keep(config: ConfigDict, processes: int, found: Mapping[int, Speed]) -> None:
    path = _path(config, processes)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _as_text(found))


def _as_text(found: Mapping[int, Speed]) -> str:
    return json.dumps({width: dataclasses.asdict(speed) for width, speed in found.items()})


def _from_text(text: str) -> dict[int, Speed]:
    return {int(width): Speed(**fields) for width, fields in json.loads(text).items()}


def trials(config: ConfigDict, widths: Sequence[int]) -> dict[int, Speed]:
    """Measures one width after the other in this process, until one is no faster."""
    found: dict[int, Speed] = {}
    for width in widths:
        if width in _worth(found, widths):
            found[width] = trial(config, width)
    return found


def trial(config: ConfigDict, width: int, wait: Callable[[], object] = lambda: None) -> Speed:
    """Measures in this process: epochs over a part of the data, for about a second.

    Args:
      wait: called between the compilation and the measurement.
    """
    task, source = build.task(config), data.source(config.dataset)
    share = min(1.0, TRIAL_SECONDS / _epoch_seconds_at_least(task, source, width))
    steps = max(3, int(share * (source.sizes[0] // task.batch_size)))
    images = _noise(source, steps * task.batch_size, max(1, int(share * source.sizes[1])))
    limits = fit.Limits(*(jnp.int32(number) for number in (10**6, 0, 0)))
    member = fit.Member(build.hyper(config), limits, fit.start(task, 0, images))
    members, seconds = fit.repeat(member, width), []

    def epoch() -> float:
        nonlocal members
        began = time.perf_counter()
        members, *_ = jax.block_until_ready(fit.advance(task, images, members))
        return time.perf_counter() - began

    first, _ = epoch(), wait()
    while len(seconds) < 3 or sum(seconds) < 2 * TRIAL_SECONDS:
        seconds.append(epoch())
    usual = statistics.median(seconds)
    return Speed(max(first - usual, 0.0), usual / steps / width)


def _trials_at_once(config: ConfigDict, widths: Sequence[int], processes: int) -> dict[int, Speed]:
    """Measures in so many processes at the same time, several widths at once, until one is no faster."""
    found: dict[int, Speed] = {}
    for first in range(0, len(widths), processes):
        if widths[first] in _worth(found, widths):
            some = widths[first : first + processes]
            given = [some[i % len(some)] for i in range(processes)]
            told = list(zip(given, _together(config, given), strict=True))
            found |= {w: _slowest([speed for width, speed in told if width == w], processes) for w in some}
    return found


def _together(config: ConfigDict, widths: Sequence[int]) -> list[Speed]:
    """Measures each width in a process of its own, on cores of its own, all at the same moment."""
    command = [
        sys.executable,
        "-c",
        "from vae_jax.sweeps.speed import main; main()",
        resolved_json(config, ""),
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    places = zip(widths, shares(len(widths)), environments(len(widths)), strict=True)
    running = [
        subprocess.Popen([*command, str(width), as_text(own)], env=os.environ | environment, **pipes)
        for width, own, environment in places
    ]
    for process in running:
        process.stdout.readline()  # it has compiled
    for process in running:
        process.stdin.close()
    told = [process.stdout.read() for process in running]
    if any(process.wait() for process in running):
        raise UsageError("a process that measures the speed of training ended with an error")
    return [Speed(**json.loads(text)) for text in told]


def _slowest(found: Sequence[Speed], processes: int) -> Speed:
    """Returns the speed of processes that end when the slowest does."""
    step = max(one.run_step_seconds for one in found) / processes
    return Speed(max(one.compile_seconds for one in found), step)


def _epoch_seconds_at_least(task: Any, source: data.Source, width: int) -> float:
    flops = cost.cost(task, source.image_shape).flops_per_image * source.sizes[0] * width
    return flops / cost.matrix_rate()


def _noise(source: data.Source, train: int, valid: int) -> fit.Images:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, source.max_value + 1, (train, *source.image_shape), dtype=np.uint8)
    return fit.Images(jnp.asarray(pixels), jnp.asarray(pixels[:valid] > 0, jnp.float32))


def _path(config: ConfigDict, processes: int) -> pathlib.Path:
    fields: Mapping[str, Any] = {n: v for n, v in config.to_dict().items() if n not in NO_PROGRAM}
    machine = [jax.devices()[0].device_kind, len(cores()), jax.__version__]
    key = hash_text(json.dumps([fields, machine, processes], sort_keys=True))[:16]
    return cache_dir() / "speeds" / f"{key}.json"


def main() -> None:
    """Measures in a process of its own: arguments are the config as JSON, a width and cores.

    Says when it has compiled, and measures as soon as its input is closed.
    """
    _, text, width, own = sys.argv
    pin(from_text(own))

    def wait() -> None:
        print("ready", flush=True)
        sys.stdin.read()

    print(json.dumps(dataclasses.asdict(trial(read_json(text)[0], int(width), wait))))
