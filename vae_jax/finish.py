"""What follows training: evaluation on test, and what a finished run's directory holds."""

import importlib.metadata
import itertools
import math
import statistics
import sys
import time
from typing import Any

import jax
import numpy as np

from vae_jax import __version__, checkpoints, cost, data, evaluate, fit
from vae_jax.attempt import Attempt
from vae_jax.model import variables
from vae_jax.objectives import OBJECTIVES
from vae_jax.runs import Run


def finish(attempt: Attempt, ending: fit.Ending, dataset: data.Dataset, images: fit.Images) -> dict[str, Any]:
    """Evaluates a trained run and writes its result.json; returns the content."""
    run, diverged = attempt.run, bool(ending.diverged_step >= 0)
    began = time.perf_counter()
    attempt.draw(int(ending.epoch), _pictures(attempt, ending, images))
    metrics = {} if diverged else _test_metrics(attempt, ending, dataset)
    price = cost.cost(attempt.task, dataset.source.image_shape)
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
        "seconds": attempt.seconds + time.perf_counter() - began,
        "data_fingerprint": dataset.source.sha256,
        **machine(),
    }
    run.finish(result)
    tidy(run)
    return result


def tidy(run: Run) -> None:
    """Deletes the checkpoints that only an unfinished run needs."""
    checkpoints.keep(run.checkpoints, 0)


def machine() -> dict[str, Any]:
    """Returns the versions and the device that a result comes from."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax", "numpy")}
    own = {"python": sys.version.split()[0], "vae_jax": __version__}
    return {"versions": own | versions, "device": jax.devices()[0].device_kind}


def _test_metrics(attempt: Attempt, ending: fit.Ending, dataset: data.Dataset) -> dict[str, float]:
    config = attempt.config
    metrics = evaluate.evaluate(
        attempt.task.model,
        variables(ending.params, config.sigma),
        dataset,
        attempt.task.preprocess,
        config.evaluation.iwae_samples,
        config.evaluation.neighbors,
    )
    if not OBJECTIVES[config.objective].uses_likelihood:
        del metrics["test/reconstruction"]  # under a σ that nothing was trained with
    return metrics


def _epoch_seconds(run: Run) -> float:
    """Returns the median seconds of an epoch; the first, which compiles, is left out."""
    times = [line["seconds"] for line in run.metrics()]
    spans = [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.median(spans) if spans else math.fsum(times)


def _pictures(attempt: Attempt, ending: fit.Ending, images: fit.Images) -> dict[str, np.ndarray]:
    """Returns validation images above their reconstructions, for TensorBoard."""
    originals = images.valid[:8]
    model_variables = variables(ending.params, attempt.config.sigma)
    rebuilt = evaluate.reconstruct(attempt.task.model, model_variables, originals)
    rows = [np.concatenate(list(np.asarray(row)), axis=1) for row in (originals, rebuilt)]
    return {"valid/reconstructions": np.clip(np.concatenate(rows), 0.0, 1.0)}
