"""The host's loop over epochs: validation, the best parameters, early stopping."""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from vae_jax.train import Hyper, Task, TrainState, init_state, train_epoch, validate


@struct.dataclass
class Progress:
    """All that a run needs to go on: what is checkpointed, and what the loop carries.

    Attributes:
      state: parameters, optimiser state and random key after `epoch` epochs.
      best_params: the parameters with the lowest validation loss, at `best_epoch`.
      best_loss: that loss, with the KL at its full weight.
      epoch: number of epochs done.
      seconds: spent in them, compilation included.
    """

    state: TrainState
    best_params: Any
    best_loss: np.ndarray
    best_epoch: np.ndarray
    epoch: np.ndarray
    seconds: np.ndarray


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
    zero = np.zeros((), np.int32)
    best_params = jax.tree.map(jnp.copy, state.params)  # the state's own buffers are donated
    return Progress(state, best_params, np.float32(np.inf), zero, zero, np.zeros(()))


def finished(progress: Progress, limits: Limits) -> bool:
    waited = progress.epoch - max(progress.best_epoch, limits.kl_warmup_epochs)
    too_long = limits.patience > 0 and waited >= limits.patience
    return progress.epoch >= limits.num_epochs or too_long or not progress.state.alive


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
    state, train = train_epoch(task, hyper, progress.state, images.train)
    # One key for every epoch: validation losses then differ by the parameters alone.
    valid = validate(task, hyper, state.params, images.valid, jax.random.key(0))
    train, valid = jax.device_get((train, valid))
    progress = progress.replace(state=state, epoch=progress.epoch + np.int32(1))
    if valid["loss"] < progress.best_loss:
        progress = progress.replace(
            best_params=jax.tree.map(jnp.copy, state.params),
            best_loss=np.float32(valid["loss"]),
            best_epoch=progress.epoch,
        )
    progress = progress.replace(seconds=progress.seconds + time.perf_counter() - began)
    return progress, _named("train", train) | _named("valid", valid)


def _named(prefix: str, metrics: dict[str, np.ndarray]) -> dict[str, float]:
    return {f"{prefix}/{name}": float(value) for name, value in metrics.items()}
