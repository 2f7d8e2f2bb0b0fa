"""From configs to finished run directories: one run, or many that train together."""

import contextlib
import dataclasses
import functools
import pathlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from vae_jax import budgets, build, checkpoints, data, devices, distributed, fit, identity, pool, runs
from vae_jax.attempt import Attempt
from vae_jax.compilation import shapes
from vae_jax.config import override
from vae_jax.errors import DamagedError, HeldError, UsageError
from vae_jax.finish import Common, finish, machine, share, tidy, train_images
from vae_jax.model import Autoencoder, variables
from vae_jax.pool import Show
from vae_jax.train import Task

HELD = "held"  # by another process: no outcome yet


def quiet(run: runs.Run, epoch: int, metrics: dict[str, float]) -> None:
    """Shows nothing."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended: completed, diverged or failed; `error` is what it failed by.

    Or HELD, where it is not known yet.
    """

    run: runs.Run
    status: str
    result: dict[str, Any]
    error: Exception | None = None


def launch(
    config: ConfigDict,
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None = None,
    show: Show = quiet,
    mesh: Mesh | None = None,
) -> tuple[runs.Run, dict[str, Any]]:
    """Trains and evaluates the run of `config`, or goes on with it, or finds it done.

    Args:
      config: checked here, before anything is written.
      workdir: where the run's directory stands or is made.
      manual_dir: see `data.load`.
      show: called after each epoch with the run, the epoch and its metrics.
      mesh: of the devices to train on, see `devices.mesh`. Where it spans several processes, this
        is process 0, and the others `follow`.

    Returns:
      The run and the content of its result.json.

    Raises:
      HeldError: another process trains it.
      UsageError: a bad config, missing data, a directory that cannot be written or is damaged.
    """
    attempt = Attempt(config, workdir)
    try:
        if attempt.result:
            attempt.run.verify()
        elif attempt.run.exists:
            attempt.hold()  # before its checkpoints are read: who trains it deletes the older ones
        folder = attempt.run.checkpoints
        (outcome,) = launch_together([attempt], attempt.task, 1, folder, manual_dir, show, mesh)
    finally:
        attempt.end()
    if outcome.error is not None:
        raise outcome.error
    return outcome.run, outcome.result


def follow(config: ConfigDict, manual_dir: pathlib.Path | None, mesh: Mesh) -> int:
    """Trains along in a process other than the first; returns the exit code that process 0 tells."""
    task = build.task(config)
    images = train_images(task, load_dataset(config.dataset, manual_dir))
    member = fit.Member(build.hyper(config), build.limits(config), fit.start(task, config.seed, images))
    members, images = fit.repeat(member, 1), devices.place(images, mesh)
    while (code := distributed.tell()) == distributed.GO:
        devices.advance(task, images, members)
    jax.distributed.shutdown()  # all has been told
    return code


def launch_together(
    attempts: Sequence[Attempt],
    task: Task,
    width: int,
    folder: pathlib.Path,
    manual_dir: pathlib.Path | None = None,
    show: Show = quiet,
    mesh: Mesh | None = None,
) -> Iterator[Outcome]:
    """Trains and evaluates runs in one program, yielding each as it ends.

    A run that fails stops no other, nor does one that another process trains: it is HELD. What
    stops them all, such as too little memory or a full disk, fails those that are not finished then.

    Args:
      attempts: the runs, of one data set.
      task: the program that they share: their own, at the largest sizes among them.
      width: how many train at once.
      folder: of the checkpoints of all of them together.
      mesh: see `launch`.

    Raises:
      UsageError: missing data.
    """
    yield from (_found(attempt) for attempt in attempts if attempt.result)
    todo = [attempt for attempt in attempts if not attempt.result]
    if not todo:
        return
    common = share(task, load_dataset(todo[0].config.dataset, manual_dir), mesh.size if mesh else 1)
    images = devices.place(common.images, mesh)
    try:
        for attempt in [attempt for attempt in todo if attempt.trained]:
            ending = _reopened(attempt, common.source.image_shape)
            attempt.trained = ending is not None
            if attempt.trained:
                todo.remove(attempt)
                yield _outcome(attempt, ending, common)
        for attempt, ended in pool.train(task, attempts, images, width, folder, show) if todo else ():
            ending = ended if isinstance(ended, UsageError) else _stored(attempt, ended)
            todo.remove(attempt)
            yield _outcome(attempt, ending, common)
    except Exception as error:
        yield from (_failure(attempt, error) for attempt in todo)
    finally:
        for attempt in attempts:
            attempt.end()


def _found(attempt: Attempt) -> Outcome:
    tidy(attempt.run)
    return Outcome(attempt.run, attempt.result["status"], attempt.result)


def _stored(attempt: Attempt, progress: fit.Progress) -> fit.Ending:
    """Writes what is left of the training: a kill during the evaluation then loses none of it."""
    ending = fit.ending(progress)
    attempt.sync()
    if ending.diverged_step >= 0:
        checkpoints.save(attempt.run.checkpoints / "last_good.npz", progress)
    if not fit.finished(progress, build.limits(override(attempt.config, {"stop_epoch": 0}))):
        checkpoints.save(attempt.run.checkpoints / budgets.STATE, progress)  # ended by its budget alone
    checkpoints.save(attempt.best, ending)
    return ending


def _reopened(attempt: Attempt, image_shape: tuple[int, int, int]) -> fit.Ending | UsageError | None:
    """Returns what `_stored` wrote in an earlier process; None where that is to be trained again."""
    try:
        ending = checkpoints.restore(attempt.best, _like(attempt.task, image_shape))
    except DamagedError as error:
        print(f"'{error.path}' is damaged: trained again", file=sys.stderr)
        return None
    try:
        if not attempt.reaches(int(ending.epoch)):
            return None
        attempt.begin(int(ending.epoch))
    except UsageError as error:
        return error
    return ending


def _outcome(attempt: Attempt, ending: fit.Ending | UsageError, common: Common) -> Outcome:
    if isinstance(ending, UsageError):
        status = HELD if isinstance(ending, HeldError) else "failed"
        return _found(attempt) if attempt.result else Outcome(attempt.run, status, {}, ending)
    try:
        result = finish(attempt, ending, common)
    except Exception as error:
        return _failure(attempt, error)
    finally:
        attempt.end()
    return Outcome(attempt.run, result["status"], result)


def _failure(attempt: Attempt, error: Exception) -> Outcome:
    """Marks the run failed by an unforeseen error; bad input leaves it as it is."""
    if attempt.begun and not isinstance(error, UsageError):
        with contextlib.suppress(OSError):  # a full disk: the error itself says more
            told = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
            attempt.run.finish({"status": "failed"} | told | machine())
            attempt.conclude(0, False, {})
    attempt.end()
    return Outcome(attempt.run, "failed", {}, error)


class Trained(NamedTuple):
    """A finished run's model: `model.apply(variables, ..., method=...)`."""

    model: Autoencoder
    variables: dict[str, Any]
    dataset: data.Dataset
    preprocess: data.Preprocess

    def images(self, split: str) -> np.ndarray:
        """Returns 'train', 'valid' or 'test' as the model takes them: one draw of sampled pixels."""
        return data.draw_once(self.preprocess, getattr(self.dataset, split).images, split)


def load(run: runs.Run, manual_dir: pathlib.Path | None = None) -> Trained:
    """Returns the model of a finished run with its best parameters.

    Raises:
      UsageError: the run is not finished, or a file of it is damaged.
    """
    config, _ = run.config()
    result = run.final_result()
    if result is None:
        raise UsageError(f"run '{run.path}' is not finished")
    identity.check(run)
    run.check(result, "checkpoints/best.npz")
    task, dataset = build.task(config), load_dataset(config.dataset, manual_dir)
    shapes.note(task)
    like = _like(task, dataset.source.image_shape)
    ending = checkpoints.restore(run.checkpoints / "best.npz", like)
    return Trained(task.model, variables(ending.params, config.sigma), dataset, task.preprocess)


def _like(task: Task, image_shape: tuple[int, int, int]) -> fit.Ending:
    """Returns the shapes and types of what a run's best.npz holds."""
    return fit.ending(fit.shapes(task, image_shape))


def load_dataset(name: str, manual_dir: pathlib.Path | None) -> data.Dataset:
    """Returns `data.load`, kept for the next run of this process."""
    return _loaded(name, data.source(name), manual_dir)


@functools.lru_cache(maxsize=2)
def _loaded(name: str, source: data.Source, manual_dir: pathlib.Path | None) -> data.Dataset:
    del source  # of what is kept under the name: it may be registered anew
    return data.load(name, manual_dir)
