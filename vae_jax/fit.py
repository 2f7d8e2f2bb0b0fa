"""The host's loop over epochs: validation, the best parameters, early stopping."""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from vae_jax.train import Hyper, Task, TrainState, all_finite, init_state, train_epoch, validate


@struct.dataclass
class Progress:
    """All that a run needs to go on: what is checkpointed, and what the loop carries.

    Attributes:
      state: parameters, optimiser state and random key after `epoch` epochs.
      best_params: the parameters with the lowest validation loss, at `best_epoch`.
      best_loss: that loss, with the KL at its full weight.
      epoch: number of epochs begun; all are complete but the last of a diverged run.
      seconds: spent in them, compilation included.
      diverged_step: steps done when a loss was first NaN or infinite (or the epoch's, where only
        the state is), else -1. `state` is then the one before that epoch.
    """

    state: TrainState
    best_params: Any
    best_loss: np.ndarray
    best_epoch: np.ndarray
    epoch: np.ndarray
    seconds: np.ndarray
    diverged_step: np.ndarray

    @property
    def diverged(self) -> bool:
        return bool(self.diverged_step >= 0)


@dataclasses.dataclass(frozen=True)
class Limits:
    """When to stop. Patience counts from the end of the KL warm-up; 0 never stops early."""

    num_epochs: int
    patience: int
    kl_warmup_epochs: int


@dataclasses.dataclass(frozen=True)
class Images:
    """Train: uint8, on the device. Valid: float32 in [0, 1]. Both NxHxWxC."""

    train: jax.Array
    valid: jax.Array


def start(task: Task, seed: int, images: Images) -> Progress:
    """Returns the progress before the first epoch."""
    state = init_state(task, jax.random.key(seed), images.train[:1])
    return Progress(
        state=state,
        best_params=copy(state.params),  # the state's own buffers are donated
        best_loss=np.full((), np.inf, np.float32),
        best_epoch=np.zeros((), np.int32),
        epoch=np.zeros((), np.int32),
        seconds=np.zeros(()),
        diverged_step=np.full((), -1, np.int32),
    )


def finished(progress: Progress, limits: Limits) -> bool:
    waited = progress.epoch - max(progress.best_epoch, limits.kl_warmup_epochs)
    too_long = limits.patience > 0 and waited >= limits.patience
    return progress.epoch >= limits.num_epochs or too_long or progress.diverged


def epochs(
    task: Task, hyper: Hyper, images: Images, progress: Progress, limits: Limits
) -> Iterator[tuple[Progress, dict[str, float]]]:
    """Trains until `finished`, yielding progress and metrics after each epoch.

    Metrics are those of the objective under 'train/...' (means over the epoch) and
    'valid/...'. A progress must not be used after the next one was asked for: its state is
    donated to the next epoch.
    """
    while not finished(progress, limits):
        progress, metrics = _epoch(task, hyper, images, progress)
        yield progress, metrics


def _epoch(task: Task, hyper: Hyper, images: Images, progress: Progress) -> tuple[Progress, dict[str, float]]:
    began = time.perf_counter()
    last_good = copy(progress.state)
    state, train = train_epoch(task, hyper, progress.state, images.train)
    valid = validate(task, hyper, state.params, images.valid, validation_key())
    train, valid, sound = jax.device_get((train, valid, all_finite(state)))
    finite = np.isfinite([*train["loss"], valid["loss"] if sound else np.nan])
    progress = progress.replace(state=state, epoch=progress.epoch + 1)
    if not finite.all():
        diverged_step = np.asarray(last_good.step) + np.argmin(finite).astype(np.int32)
        progress = progress.replace(state=last_good, diverged_step=diverged_step)
    elif valid["loss"] < progress.best_loss:
        progress = progress.replace(
            best_params=copy(state.params), best_loss=valid["loss"], best_epoch=progress.epoch
        )
    progress = progress.replace(seconds=progress.seconds + time.perf_counter() - began)
    return progress, _means("train", train) | _means("valid", valid)


def validation_key() -> jax.Array:
    """One key for every epoch and run: validation losses then differ by the parameters alone."""
    return jax.random.fold_in(jax.random.key(0), 1)


@jax.jit
def copy(tree: Any) -> Any:
    """Returns buffers of their own for a tree whose buffers are about to be donated."""
    return jax.tree.map(jnp.copy, tree)


def _means(prefix: str, metrics: dict[str, np.ndarray]) -> dict[str, float]:
    return {f"{prefix}/{name}": float(values.mean()) for name, values in metrics.items()}
