"""One run from its config to its finished directory: resume, train, evaluate, write."""

import functools
import importlib.metadata
import math
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from vae_jax import build, checkpoints, cost, data, evaluate, fit, runs
from vae_jax.config import resolved_json
from vae_jax.errors import UsageError
from vae_jax.model import Autoencoder, variables

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
    began = time.perf_counter()
    task = build.task(config)
    run = runs.find(workdir, config, data.source(config.dataset).sha256)
    if done := finished_result(run):
        return run, done
    dataset = _dataset(config.dataset, manual_dir)
    run.create(resolved_json(config, dataset.source.sha256))
    try:
        progress = _train(task, config, dataset, run, show)
        result = _result(task, config, dataset, run, progress, began)
    except (Exception, KeyboardInterrupt) as error:
        _record_failure(run, error)
        raise
    run.finish(result)
    return run, result


def finished_result(run: runs.Run) -> dict[str, Any] | None:
    """Returns the result of a run that is over for good; a failed one can be tried again."""
    if not run.path.exists():
        return None
    if not (run.path / "config.json").exists():
        return None  # killed before its first file was in place
    run.config()  # raises where it is damaged
    result = run.result()
    return None if result is None or result["status"] == "failed" else result


def load(run: runs.Run, manual_dir: pathlib.Path | None = None) -> Trained:
    """Returns the model of a finished run with its best parameters.

    Raises:
      UsageError: the run is not finished, or a file of it is damaged.
    """
    config, _ = run.config()
    if run.result() is None:
        raise UsageError(f"run '{run.path}' is not finished")
    task, dataset = build.task(config), _dataset(config.dataset, manual_dir)
    like = fit.start(task, config.seed, _images(task, dataset)).best_params
    params = checkpoints.restore(run.checkpoints / "best", like)
    return Trained(task.model, variables(params, config.sigma), dataset, task.preprocess)


@functools.lru_cache(maxsize=2)
def _dataset(name: str, manual_dir: pathlib.Path | None) -> data.Dataset:
    return data.load(name, manual_dir)


def _images(task: build.Task, dataset: data.Dataset) -> fit.Images:
    valid = data.draw_once(task.preprocess, dataset.valid.images)
    return fit.Images(train=jnp.asarray(dataset.train.images), valid=jnp.asarray(valid))


def _train(task, config, dataset, run, show) -> fit.Progress:
    """Trains to the end, logging and saving on the way; returns the last progress."""
    from vae_jax.tensorboard import EventWriter

    images = _images(task, dataset)
    progress = _resume(run, fit.start(task, config.seed, images))
    run.rewind_metrics(int(progress.epoch))
    limits = fit.Limits(config.num_epochs, config.early_stopping_patience, config.kl_warmup_epochs)
    saved_at = time.perf_counter()
    with EventWriter(run.path, first_epoch=int(progress.epoch) + 1) as events:
        for progress, metrics in fit.epochs(task, build.hyper(config), images, progress, limits):
            run.append_metrics(_line(progress, metrics))
            events.write(int(progress.epoch), metrics)
            show(progress, metrics)
            if time.perf_counter() - saved_at > CHECKPOINT_SECONDS:
                _save(run, progress)
                saved_at = time.perf_counter()
        events.write_images(_pictures(task, config, progress, images))
    _close(run, progress)
    return progress


def _line(progress: fit.Progress, metrics: dict[str, float]) -> dict[str, float]:
    where = {"step": int(progress.state.step), "epoch": int(progress.epoch)}
    return where | {"seconds": round(float(progress.seconds), 4)} | metrics


def _save(run: runs.Run, progress: fit.Progress) -> None:
    """Keeps two: if the newest is damaged, there is the one before."""
    checkpoints.save(run.checkpoints / f"{int(progress.epoch):06d}", progress)
    for old in checkpoints.saved(run.checkpoints)[:-2]:
        checkpoints.delete(old)


def _resume(run: runs.Run, fresh: fit.Progress) -> fit.Progress:
    """Returns the newest intact checkpoint, or `fresh` where there is none at all."""
    found = checkpoints.saved(run.checkpoints)
    for path in reversed(found):
        if checkpoints.is_intact(path):
            return checkpoints.restore(path, fresh)
        print(f"checkpoint '{path}' is damaged: looking for the one before", file=sys.stderr)
    if found:
        raise UsageError(f"no intact checkpoint in '{run.checkpoints}': delete '{run.path}' and run again")
    return fresh


def _close(run: runs.Run, progress: fit.Progress) -> None:
    """Leaves the best parameters, and a diverged run's last good state, on disk."""
    checkpoints.save(run.checkpoints / "best", progress.best_params)
    if not progress.state.alive:
        _save(run, progress)
        return
    for path in checkpoints.saved(run.checkpoints):
        checkpoints.delete(path)


def _pictures(task, config, progress, images) -> dict[str, np.ndarray]:
    """Returns validation images above their reconstructions, for TensorBoard."""
    originals = images.valid[:8]
    model_variables = variables(progress.best_params, config.sigma)
    rebuilt = evaluate.reconstruct(task.model, model_variables, originals)
    rows = [jnp.concatenate(list(row), axis=1) for row in (originals, rebuilt)]
    return {"valid/reconstructions": np.clip(np.concatenate(rows), 0.0, 1.0)}


def _result(task, config, dataset, run, progress, began) -> dict[str, Any]:
    alive = bool(progress.state.alive)
    settings = config.evaluation
    metrics = evaluate.evaluate(
        *(task.model, variables(progress.best_params, config.sigma), dataset, task.preprocess),
        *(settings.iwae_samples, settings.neighbors),
    )
    price = cost.cost(task, dataset.source.image_shape)
    return {
        "status": "completed" if alive else "diverged",
        "diverged_step": None if alive else int(progress.state.step),
        "metrics": metrics if alive else {},
        "iwae_samples": settings.iwae_samples,
        "epochs": int(progress.epoch),
        "best_epoch": int(progress.best_epoch),
        "parameters": price.parameters,
        "flops_per_image": price.flops_per_image,
        "epoch_seconds": _epoch_seconds(run),
        "seconds": time.perf_counter() - began,
        "data_fingerprint": dataset.source.sha256,
        **_machine(),
    }


def _epoch_seconds(run: runs.Run) -> float:
    """Returns the median seconds of an epoch; the first, which compiles, is left out."""
    times = [line["seconds"] for line in run.metrics()]
    spans = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    return statistics.median(spans) if spans else math.fsum(times)


def _machine() -> dict[str, Any]:
    packages = ("jax", "flax", "optax", "numpy", "vae_jax")
    versions = {name: importlib.metadata.version(name) for name in packages}
    python = sys.version.split()[0]
    return {"versions": {"python": python} | versions, "device": jax.devices()[0].device_kind}


def _record_failure(run: runs.Run, error: BaseException) -> None:
    """Marks the run failed, unless the user's own Ctrl-C ended it or the disk refuses."""
    if isinstance(error, KeyboardInterrupt):
        return
    try:
        run.finish({"status": "failed", "error": f"{type(error).__name__}: {error}"})
    except OSError:
        pass  # the error on its way up says more
