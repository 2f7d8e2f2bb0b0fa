"""How fast runs train together, measured on this machine, once for every program and kept."""

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from vae_jax import build, caching, cost, data, files, fit
from vae_jax.config import hash_text
from vae_jax.paths import cache_dir, make_dir, write_whole
from vae_jax.sweeps.cores import cores, most, threads

TRIAL_SECONDS = 0.5  # of one trial, roughly
COMPILE_SECONDS = 4.0  # of a program, where nothing is known
REALLY_COMPILED = 0.5  # seconds: in less, a program is found that was compiled before
WORTHWHILE = 0.95  # a wider population is no faster unless it takes less than so much of the time
NO_PROGRAM = (
    *("seed", "learning_rate", "beta", "kl_warmup_epochs", "num_epochs", "stop_epoch"),
    *("early_stopping_patience", "sigma"),
)


@dataclasses.dataclass(frozen=True)
class Speed:
    """Attributes:
    compile_seconds: until a new program runs.
    run_step_seconds: of wall time for one step of one run, when everything is busy: twice as
      many slots of the same speed have half of it.
    evaluation_seconds: of a run after its training, in its slot; None where none was seen.
    """

    compile_seconds: float
    run_step_seconds: float
    evaluation_seconds: float | None = None


def speeds(config: ConfigDict, widths: Sequence[int], slots: int) -> dict[int, Speed]:
    """Returns the speed of `slots` populations at once, each of so many runs like `config`.

    Measured by a few steps the first time, which takes some seconds for each width; then from the
    cache.

    Args:
      widths: in rising order. Those after one that is no faster than the one before are left out.
    """
    here = min(slots, most())
    found = _known(config, here)
    if not set(_worth(found, widths)) <= found.keys():
        found = _trials(config, widths, here) | found
        _keep(config, here, found)
    # Machines of a cluster are taken to be like this one.
    share = here / slots
    return {
        width: dataclasses.replace(
            found[width],
            compile_seconds=_compile_seconds(config, width, here),
            run_step_seconds=found[width].run_step_seconds * share,
            evaluation_seconds=_evaluation_seconds(config, here),
        )
        for width in _worth(found, widths)
        if width in found
    }


def learn(config: ConfigDict, width: int, slots: int, **seen: float) -> None:
    """Puts what real training took in the place of what the trial took; a busy machine misleads.

    Args:
      seen: fields of a Speed.
    """
    known = _known(config, slots)
    measured = min((wide for wide in known if width <= wide < 2 * width), default=None)  # or a bit wider
    if measured is not None:
        _keep(config, slots, known | {measured: dataclasses.replace(known[measured], **seen)})


def _compile_seconds(config: ConfigDict, width: int, slots: int) -> float:
    """Returns the longest that was seen: a trial may have found its program compiled."""
    every = _of_any_slots(config, slots)
    longest = max((known[width].compile_seconds for known in every if width in known), default=0.0)
    return longest if longest > REALLY_COMPILED else COMPILE_SECONDS


def _evaluation_seconds(config: ConfigDict, slots: int) -> float | None:
    """Returns the same for all that are compared: a width must not win because its runs were never seen."""
    seen = [speed.evaluation_seconds for known in _of_any_slots(config, slots) for speed in known.values()]
    seen = [one for one in seen if one is not None]
    return statistics.median(seen) if seen else None


def _of_any_slots(config: ConfigDict, slots: int) -> list[dict[int, Speed]]:
    return [_known(config, count) for count in sorted({1, slots, most()})]


def _worth(found: Mapping[int, Speed], widths: Sequence[int]) -> list[int]:
    """Returns the widths up to the first that is no faster than the one before it."""
    for index, (narrow, wide) in enumerate(itertools.pairwise(widths), 2):
        known = {narrow, wide} <= found.keys()
        if known and found[wide].run_step_seconds > WORTHWHILE * found[narrow].run_step_seconds:
            return list(widths[:index])
    return list(widths)


def _known(config: ConfigDict, slots: int) -> dict[int, Speed]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return _from_text(files.read_text(_path(config, slots)))
    return {}


def _keep(config: ConfigDict, slots: int, found: Mapping[int, Speed]) -> None:
    path = _path(config, slots)
    with caching.optional():
        write_whole(make_dir(path.parent) / path.name, _as_text(found))


def _as_text(found: Mapping[int, Speed]) -> str:
    return json.dumps({width: dataclasses.asdict(speed) for width, speed in found.items()})


def _from_text(text: str) -> dict[int, Speed]:
    return {int(width): Speed(**fields) for width, fields in files.parse_object(text).items()}


def trial(config: ConfigDict, width: int, wait: Callable[[], object]) -> Speed:
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


def _trials(config: ConfigDict, widths: Sequence[int], slots: int) -> dict[int, Speed]:
    """Measures so many populations at once, of every width that the memory turns out to hold."""
    try:
        return _rounds(config, widths, slots)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if len(widths) == 1 or not _is_out_of_memory(error):
            raise
    return _trials(config, widths[:-1], slots)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _rounds(config: ConfigDict, widths: Sequence[int], slots: int) -> dict[int, Speed]:
    """Measures several widths together, until one is no faster."""
    found: dict[int, Speed] = {}
    together = min(slots, threads())  # GPUs, each with a process of its own, do not slow each other down
    for first in range(0, len(widths), together):
        if widths[first] in _worth(found, widths):
            some = widths[first : first + together]
            given = [some[i % len(some)] for i in range(together)]
            told = list(zip(given, _together(config, given), strict=True))
            found |= {w: _slowest([speed for width, speed in told if width == w], slots) for w in some}
    return found


def _together(config: ConfigDict, widths: Sequence[int]) -> list[Speed]:
    """Measures each width in a thread of its own, all at the same moment."""
    compiled = threading.Barrier(len(widths))

    def of_width(width: int) -> Speed:
        try:
            return trial(config, width, compiled.wait)
        except BaseException:
            compiled.abort()  # the others would wait for ever
            raise

    with ThreadPoolExecutor(len(widths)) as crew:
        trials = [crew.submit(of_width, width) for width in widths]
    # An error first: those that broke off for it say nothing.
    for found in sorted(trials, key=lambda one: isinstance(one.exception(), threading.BrokenBarrierError)):
        found.result()
    return [found.result() for found in trials]


def _slowest(found: Sequence[Speed], slots: int) -> Speed:
    """Returns the speed of so many populations that end when the slowest does."""
    step = max(one.run_step_seconds for one in found) / slots
    return Speed(max(one.compile_seconds for one in found), step)


def _epoch_seconds_at_least(task: Any, source: data.Source, width: int) -> float:
    flops = cost.cost(task, source.image_shape).flops_per_image * source.sizes[0] * width
    return flops / cost.matrix_rate()


def _noise(source: data.Source, train: int, valid: int) -> fit.Images:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, source.max_value + 1, (train, *source.image_shape), dtype=np.uint8)
    return fit.Images(jnp.asarray(pixels), jnp.asarray(pixels[:valid] > 0, jnp.float32))


def _path(config: ConfigDict, slots: int) -> pathlib.Path:
    fields: Mapping[str, Any] = {n: v for n, v in config.to_dict().items() if n not in NO_PROGRAM}
    machine = [jax.devices()[0].device_kind, len(cores()), jax.__version__]
    machine += [jax.config.jax_default_matmul_precision, os.environ.get("XLA_FLAGS", "")]
    key = hash_text(json.dumps([fields, machine, slots], sort_keys=True))[:16]
    return cache_dir() / "speeds" / f"{key}.json"
