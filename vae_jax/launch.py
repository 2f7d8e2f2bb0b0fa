"""One run from its config to its finished directory: resume, train, evaluate, write."""

import contextlib
import functools
import importlib.metadata
import itertools
import math
import pathlib
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from vae_jax import __version__, build, checkpoints, cost, data, evaluate, fit, runs
from vae_jax.config import resolved_json
from vae_jax.errors import UsageError
from vae_jax.model import Autoencoder, variables
from vae_jax.objectives import OBJECTIVES
from vae_jax.train import Task

CHECKPOINT_SECONDS = 10.0  # at most so much training is lost by a kill
Show = Callable[[fit.Progress, dict[str, float]], None]


class Trained(NamedTuple):
    """A finished run's model: `model.apply(variables, ..., method=...)`."""

    model: Autoencoder
    variables: dict[str, Any]
    dataset: data.Dataset
    preprocess: data.Preprocess


def launch(
    config: ConfigDict,
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None = None,
    show: Show = lambda progress, metrics: None,
) -> tuple[runs.Run, dict[str, Any]]:
    """Trains and evaluates the run of `config`, or goes on with it, or finds it done.

    Args:
      config: checked here, before anything is written.
      workdir: where the run's directory stands or is made.
      manual_dir: see `data.load`.
      show: called after each epoch, for progress bars.

    Returns:
      The run and the content of its result.json.

    Raises:
      UsageError: a bad config, missing data, a directory that cannot be written or is damaged.
    """
    task = build.task(config)
    run = runs.find(workdir, config, data.source(config.dataset).sha256)
    if done := finished_result(run):
        _tidy(run, done)
        return run, done
    dataset = load_dataset(config.dataset, manual_dir)
    run.create(resolved_json(config, dataset.source.sha256))
    with run.lock(), _failure_recorded(run):
        run.reopen()
        progress = train(task, config, dataset, run, show)
        result = _result(task, config, dataset, run, progress)
        run.finish(result)
    _tidy(run, result)
    return run, result


def _tidy(run: runs.Run, result: dict[str, Any]) -> None:
    """Deletes what only an unfinished run needs; a diverged one keeps its last good state."""
    checkpoints.keep(run.checkpoints, 1 if result["status"] == "diverged" else 0)


def finished_result(run: runs.Run) -> dict[str, Any] | None:
    """Returns the result of a run that is over for good; a failed one can be tried again."""
    if not run.exists:
        return None
    run.config()  # raises where it is damaged
    result = run.result()
    return None if result is None or result["status"] == "failed" else result


def load(run: runs.Run, manual_dir: pathlib.Path | None = None) -> Trained:
    """Returns the model of a finished run with its best parameters.

    Raises:
      UsageError: the run is not finished, or a file of it is damaged.
    """
    config, _ = run.config()
    if finished_result(run) is None:
        raise UsageError(f"run '{run.path}' is not finished")
    task, dataset = build.task(config), load_dataset(config.dataset, manual_dir)
    like = cost.state_shapes(task, dataset.source.image_shape).params
    params = checkpoints.restore(run.checkpoints / "best", like)
    return Trained(task.model, variables(params, config.sigma), dataset, task.preprocess)


@functools.lru_cache(maxsize=2)
def load_dataset(name: str, manual_dir: pathlib.Path | None) -> data.Dataset:
    """Returns `data.load`, kept for the next run of this process."""
    return data.load(name, manual_dir)


def _images(task: Task, dataset: data.Dataset) -> fit.Images:
    valid = data.draw_once(task.preprocess, dataset.valid.images, "valid")
    return fit.Images(train=jnp.asarray(dataset.train.images), valid=jnp.asarray(valid))


@contextlib.contextmanager
def _failure_recorded(run: runs.Run):
    """Marks the run failed by an unforeseen error; bad input and Ctrl-C leave it as it is."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        with contextlib.suppress(OSError):  # a full disk: the error on its way up says more
            told = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
            run.finish({"status": "failed"} | told | _machine())
        raise


def train(task: Task, config: ConfigDict, dataset: data.Dataset, run: runs.Run, show: Show) -> fit.Progress:
    """Trains to the end, logging and saving on the way; returns the last progress."""
    from vae_jax.tensorboard import EventWriter

    images = _images(task, dataset)
    progress = checkpoints.restore_newest(run.checkpoints, fit.start(task, config.seed, images))
    run.rewind_metrics(int(progress.epoch))
    limits = fit.Limits(config.num_epochs, config.early_stopping_patience, config.kl_warmup_epochs)
    saved_at = time.perf_counter()
    with EventWriter(run.path) as events:
        for line in run.metrics():
            events.write(line["epoch"], {name: value for name, value in line.items() if "/" in name})
        for now, metrics in fit.epochs(task, build.hyper(config), images, progress, limits):
            progress = now
            run.append_metrics(_line(progress, metrics))
            events.write(int(progress.epoch), metrics)
            show(progress, metrics)
            if time.perf_counter() - saved_at > CHECKPOINT_SECONDS:
                _save(run, progress)
                saved_at = time.perf_counter()
        events.write_images(int(progress.epoch), _pictures(task, config, progress, images))
    _save(run, progress)  # a kill during the evaluation then loses no training
    checkpoints.save(run.checkpoints / "best", progress.best_params)
    return progress


def _save(run: runs.Run, progress: fit.Progress) -> None:
    run.sync_metrics()
    checkpoints.save_epoch(run.checkpoints, int(progress.epoch), progress)


def _line(progress: fit.Progress, metrics: dict[str, float]) -> dict[str, float]:
    step = progress.diverged_step if progress.diverged else progress.state.step
    where = {"step": int(step), "epoch": int(progress.epoch)}
    return where | {"seconds": round(float(progress.seconds), 4)} | metrics


def _pictures(
    task: Task, config: ConfigDict, progress: fit.Progress, images: fit.Images
) -> dict[str, np.ndarray]:
    """Returns validation images above their reconstructions, for TensorBoard."""
    originals = images.valid[:8]
    model_variables = variables(progress.best_params, config.sigma)
    rebuilt = evaluate.reconstruct(task.model, model_variables, originals)
    rows = [np.concatenate(list(np.asarray(row)), axis=1) for row in (originals, rebuilt)]
    return {"valid/reconstructions": np.clip(np.concatenate(rows), 0.0, 1.0)}


def _result(
    task: Task, config: ConfigDict, dataset: data.Dataset, run: runs.Run, progress: fit.Progress
) -> dict[str, Any]:
    """Returns the content of result.json; a diverged run has no metrics."""
    began = time.perf_counter()
    metrics = {} if progress.diverged else _test_metrics(task, config, dataset, progress)
    price = cost.cost(task, dataset.source.image_shape)
    return {
        "status": "diverged" if progress.diverged else "completed",
        "diverged_step": int(progress.diverged_step) if progress.diverged else None,
        "metrics": metrics,
        "iwae_samples": config.evaluation.iwae_samples,
        "epochs": int(progress.epoch),
        "best_epoch": int(progress.best_epoch),
        "parameters": price.parameters,
        "flops_per_image": price.flops_per_image,
        "epoch_seconds": _epoch_seconds(run),
        "seconds": float(progress.seconds) + time.perf_counter() - began,
        "data_fingerprint": dataset.source.sha256,
        **_machine(),
    }


def _test_metrics(
    task: Task, config: ConfigDict, dataset: data.Dataset, progress: fit.Progress
) -> dict[str, float]:
    metrics = evaluate.evaluate(
        task.model,
        variables(progress.best_params, config.sigma),
        dataset,
        task.preprocess,
        config.evaluation.iwae_samples,
        config.evaluation.neighbors,
    )
    if not OBJECTIVES[config.objective].uses_likelihood:
        del metrics["test/reconstruction"]  # under a σ that nothing was trained with
    return metrics


def _epoch_seconds(run: runs.Run) -> float:
    """Returns the median seconds of an epoch; the first, which compiles, is left out."""
    times = [line["seconds"] for line in run.metrics()]
    spans = [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.median(spans) if spans else math.fsum(times)


def _machine() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax", "numpy")}
    own = {"python": sys.version.split()[0], "vae_jax": __version__}
    return {"versions": own | versions, "device": jax.devices()[0].device_kind}
