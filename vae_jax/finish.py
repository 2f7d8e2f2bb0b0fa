"""What follows training: evaluation on test, and what a finished run's directory holds."""

import datetime
import importlib.metadata
import itertools
import math
import statistics
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from vae_jax import __version__, checkpoints, cost, data, evaluate, fit, padding
from vae_jax.attempt import Attempt
from vae_jax.model import variables
from vae_jax.objectives import OBJECTIVES
from vae_jax.pictures import shown
from vae_jax.runs import Run
from vae_jax.train import Task


class Common(NamedTuple):
    """What the runs of a population share; `task` is at the largest sizes among them.

    Attributes:
      images: on one device, as all is that evaluates.
      devices: how many train each run.
    """

    task: Task
    source: data.Source
    images: fit.Images
    sets: evaluate.Sets
    devices: int


def share(task: Task, dataset: data.Dataset, devices: int = 1) -> Common:
    """Returns `task` and what it needs of its data set, on the device."""
    images, sets = train_images(task, dataset), evaluate.draw_sets(task.preprocess, dataset)
    return Common(task, dataset.source, images, sets, devices)


def train_images(task: Task, dataset: data.Dataset) -> fit.Images:
    """Returns what `task` trains on, on the device."""
    valid = data.draw_once(task.preprocess, dataset.valid.images, "valid")
    return fit.Images(jnp.asarray(dataset.train.images), jnp.asarray(valid))


def finish(attempt: Attempt, ending: fit.Ending, common: Common) -> dict[str, Any]:
    """Evaluates a trained run and writes its result.json; returns the content.

    It is filled up to the sizes of the population, whose runs thus share the programs here too.
    """
    run, diverged = attempt.run, bool(ending.diverged_step >= 0)
    began = time.perf_counter()
    shapes = cost.state_shapes(common.task, common.source.image_shape).params
    trained = variables(padding.pad(ending.params, shapes), attempt.config.sigma)
    attempt.draw(int(ending.epoch), _pictures(common, trained))
    metrics = {} if diverged else _test_metrics(attempt.config, common, trained)
    price = cost.cost(attempt.task, common.source.image_shape)
    result = {
        "status": "diverged" if diverged else "completed",
        "diverged_step": int(ending.diverged_step) if diverged else None,
        "metrics": metrics,
        "iwae_samples": attempt.config.evaluation.iwae_samples,
        "epochs": int(ending.epoch),
        "best_epoch": int(ending.best_epoch),
        "valid_loss": float(ending.best_loss) if ending.best_epoch > 0 else None,
        "parameters": price.parameters,
        "flops_per_image": price.flops_per_image,
        "epoch_seconds": _epoch_seconds(run),
        "evaluation_seconds": (evaluating := time.perf_counter() - began),
        "seconds": attempt.seconds + evaluating,
        "devices": common.devices,
        "trained": attempt.how,
        "data_fingerprint": common.source.fingerprint,
        **machine(),
    }
    best = {"valid/best_loss": result["valid_loss"]}
    attempt.conclude(result["epochs"], not diverged, metrics | best)
    attempt.sync()  # the result vouches for the events too
    run.finish(result)
    tidy(run)
    return result


def tidy(run: Run) -> None:
    """Deletes the checkpoints that only an unfinished run needs."""
    checkpoints.keep(run.checkpoints, 0)


def now() -> str:
    """Returns the time in UTC, in ISO 8601: later times are later texts."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def machine() -> dict[str, Any]:
    """Returns when a result was made, and the versions, the device and the precision that it comes from."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax", "numpy")}
    own = {"python": sys.version.split()[0], "vae_jax": __version__}
    precision = jax.config.jax_default_matmul_precision
    device = jax.local_devices()[0].device_kind
    made = {"finished": now(), "versions": own | versions, "device": device}
    return made | {"matmul_precision": precision}


def _test_metrics(config: ConfigDict, common: Common, trained: dict[str, Any]) -> dict[str, float]:
    samples, neighbors = config.evaluation.iwae_samples, config.evaluation.neighbors
    model, sets = common.task.model, common.sets
    metrics = evaluate.evaluate(model, trained, sets, config.latent_size, samples, neighbors)
    if not OBJECTIVES[config.objective].uses_likelihood:
        del metrics["test/reconstruction"]  # under a σ that nothing was trained with
    return metrics


def _epoch_seconds(run: Run) -> float:
    """Returns the median seconds of an epoch; the first, which compiles, is left out."""
    times = [line["seconds"] for line in run.metrics()]
    spans = [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.median(spans) if spans else math.fsum(times)


def _pictures(common: Common, trained: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns validation images above their reconstructions, for TensorBoard."""
    originals = common.images.valid[:8]
    rebuilt = evaluate.reconstruct(common.task.model, trained, originals)
    rows = [np.concatenate(list(np.asarray(row)), axis=1) for row in (originals, rebuilt)]
    return {"valid/reconstructions": np.clip(shown(np.concatenate(rows)), 0.0, 1.0)}
