"""Which runs of different sizes may share a program: those for which filling up is exact.

Filled up with zeros, a part that norms over a layer or averages over dimensions trains to other numbers,
and nothing says so. Only parts of this package are filled up, therefore, and only where one step of a small
model, alone and filled up, agrees.
"""

import contextlib
import dataclasses
import functools
import json
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

import vae_jax
from vae_jax import build, cost, data, padding
from vae_jax.check import NAMES
from vae_jax.config import flatten, hash_text
from vae_jax.paths import cache_dir, write_whole
from vae_jax.sweeps.buckets import Group, largest, same_sizes, shared_programs
from vae_jax.sweeps.population import SIZES, at_sizes, sizes_of
from vae_jax.sweeps.speed import NO_PROGRAM
from vae_jax.train import QUICKLY_COMPILED, Hyper, Task, TrainState, train_step

OWN = {"vae_jax"}
OF_LIBRARIES = OWN | {"jax", "flax", "optax"}  # from where the activations and schedules come
IMAGES = 8  # of the step
METRIC_TOLERANCE = 1e-4  # of a metric: rounding is a hundredth of that,
CHANGE_TOLERANCE = 1e-3  # and of the largest change of an array of parameters
EPS = 1e-2  # of the optimiser: with less, Adam makes a step's whole length of rounding
NUMBERS = {"learning_rate": 0.1, "beta": 1.0, "kl_warmup_steps": 0.0, "num_steps": 2.0, "sigma": 1.0}


def groups(entries: Sequence[Any]) -> tuple[list[Group], tuple[str, ...]]:
    """Returns the runs that may share a program, and a line about those that keep their own sizes."""
    found: list[Group] = []
    lines = []
    for group in shared_programs(entries):
        reason = why_not([entry.config for entry in group], largest(group))
        found += same_sizes(group) if reason else [group]
        lines += [_line(group, reason)] if reason else []
    return found, tuple(lines)


def why_not(configs: Sequence[ConfigDict], sizes: Sequence[int]) -> str | None:
    """Returns why these runs, of one program but for their sizes, cannot be filled up; None if they can.

    Args:
      sizes: `latent_size` and `bottleneck_width` to which all would be filled up.
    """
    own = {sizes_of(config) for config in configs}
    if own <= {tuple(sizes)}:
        return None
    smallest = tuple(map(min, zip(*own, strict=True)))
    small, large = at_sizes(configs[0], smallest), at_sizes(configs[0], sizes)
    return _foreign(large) or _kept(small, large)


def _line(group: Group, reason: str) -> str:
    values = [sorted(set(each)) for each in zip(*(sizes_of(entry.config) for entry in group), strict=True)]
    named = zip(SIZES, values, strict=True)
    sizes = [f"{name} {', '.join(map(str, each))}" for name, each in named if len(each) > 1]
    return f"{len(group)} runs of {' and '.join(sizes)} train at their own sizes: {reason}"


def _foreign(config: ConfigDict) -> str | None:
    """Returns what names a part that is defined outside of this package, if there is any."""
    fields = flatten(config)
    for field in NAMES.keys() - {"dataset", "binarize"}:
        part = NAMES[field][fields[field]]
        module = getattr(getattr(part, "loss", part), "__module__", None) or ""
        homes = OF_LIBRARIES if field == "schedule" or field.endswith("activation") else OWN
        if module.partition(".")[0] not in homes:
            name = field.removesuffix(".net").removesuffix(".name")
            return f"{name} '{fields[field]}' is not of this package"
    return None


def _kept(small: ConfigDict, large: ConfigDict) -> str | None:
    """Returns `_differs`, tried once on a machine and kept in the user's cache."""
    path = cache_dir() / "filling" / f"{_key(small, large)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return json.loads(path.read_text())["reason"]
    reason = _differs(small, large)
    with contextlib.suppress(OSError):  # a full disk: it is tried again the next time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"reason": reason}))
    return reason


def _key(small: ConfigDict, large: ConfigDict) -> str:
    fields = {name: value for name, value in flatten(large).items() if name not in NO_PROGRAM}
    return hash_text(json.dumps([fields, sizes_of(small), _sources(), jax.__version__], sort_keys=True))[:16]


@functools.cache
def _sources() -> str:
    """Returns a digest of this package's sources: a part that was changed is tried again."""
    paths = sorted(pathlib.Path(vae_jax.__file__).parent.rglob("*.py"))
    return hash_text("".join(path.read_text() for path in paths))


def _differs(small: ConfigDict, large: ConfigDict) -> str | None:
    """Returns in what a step of a model differs when it is filled up; None if in nothing but rounding."""
    with jax.default_device(cost.cpu()), jax.default_matmul_precision("highest"):
        try:
            before, (alone, metrics), (filled, others) = _steps(small, large)
        except (TypeError, ValueError) as error:
            return f"its parameters cannot be filled up: {' '.join(str(error).split())[:200]}"
    wrong = [*_other_metrics(metrics, others), *_other_params(before, alone.params, filled.params)]
    if wrong:
        return f"one step filled up differs from one alone: {wrong[0]}"
    return None if _stays_zero(alone, filled) else "what is filled in does not stay 0"


def _steps(
    small: ConfigDict, large: ConfigDict
) -> tuple[Any, tuple[TrainState, Any], tuple[TrainState, Any]]:
    """Returns a small model's parameters, and state and metrics a step later: alone, and filled up."""
    source, rng = data.source(small.dataset), np.random.default_rng(0)
    pixels = rng.integers(0, source.max_value + 1, (IMAGES, *source.image_shape)).astype(np.uint8)
    task, wide = _quick(build.task(small)), _quick(build.task(large))
    state = _state(cost.state_shapes(task, source.image_shape), rng)
    shapes = cost.state_shapes(wide, source.image_shape)
    hyper = Hyper(**{name: np.float32(value) for name, value in NUMBERS.items()})
    masked = hyper.replace(mask=padding.mask(state.params, shapes.params))
    alone, filled = (
        _step(task, hyper, state, pixels),
        _step(wide, masked, padding.pad(state, shapes), pixels),
    )
    return state.params, jax.device_get(alone), jax.device_get(filled)


_step = functools.partial(jax.jit, static_argnames="task", compiler_options=QUICKLY_COMPILED)(train_step)


def _quick(task: Task) -> Task:
    """Returns a program for the same parts that compiles sooner and rounds well."""
    preprocess = dataclasses.replace(task.preprocess, binarize="none")
    optimizer = dataclasses.replace(task.optimizer, eps=EPS)
    return dataclasses.replace(task, preprocess=preprocess, optimizer=optimizer)


def _state(shapes: TrainState, rng: np.random.Generator) -> TrainState:
    """Returns a state in the middle of a training; of biases above 0, so that no unit is asleep."""

    def drawn(leaf: Any) -> np.ndarray:
        if len(leaf.shape) < 2:
            return np.float32(rng.uniform(0.5, 1.0, leaf.shape))
        return np.float32(rng.normal(0.0, math.prod(leaf.shape[:-1]) ** -0.5, leaf.shape))

    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes.opt_state)
    return TrainState(jax.tree.map(drawn, shapes.params), zeros, np.int32(1), jax.random.key(0))


def _other_metrics(alone: dict[str, Any], filled: dict[str, Any]) -> Iterator[str]:
    for name, value in alone.items():
        own, other = float(value), float(filled[name])
        if not math.isclose(own, other, rel_tol=METRIC_TOLERANCE, abs_tol=METRIC_TOLERANCE**2):
            yield f"{name} {other:.4g} against {own:.4g}"


def _other_params(before: Any, alone: Any, filled: Any) -> Iterator[str]:
    """Yields the arrays of parameters that changed otherwise."""
    cropped = padding.crop(filled, alone)
    changes = jax.tree.map(lambda old, own, other: (own - old, other - old), before, alone, cropped)
    named = jax.tree_util.tree_leaves_with_path(changes, is_leaf=lambda leaf: isinstance(leaf, tuple))
    largest_of_all = max(float(np.abs(own).max()) for _, (own, _) in named)
    for path, (own, other) in named:
        near = CHANGE_TOLERANCE * (float(np.abs(own).max()) + CHANGE_TOLERANCE * largest_of_all)
        if not np.abs(own - other).max() <= near:
            yield f"the change of {jax.tree_util.keystr(path, simple=True, separator='/')}"


def _stays_zero(alone: TrainState, filled: TrainState) -> bool:
    """Whether parameters and moments are 0 outside of the small model's corner."""
    for small, large in ((alone.params, filled.params), (alone.opt_state, filled.opt_state)):
        again = padding.pad(padding.crop(large, small), large)
        if not all(jax.tree.leaves(jax.tree.map(np.array_equal, again, large))):
            return False
    return True
