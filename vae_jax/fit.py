"""An epoch of a run and all that is decided after it, as one compiled program for many runs.

Validation, the best parameters, early stopping and divergence are each member's own: one
member's NaN never touches another, and a finished member stays as it is.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from vae_jax.cost import state_shapes
from vae_jax.train import Hyper, Task, TrainState, all_finite, init_state, train_epoch, validate


@struct.dataclass
class Progress:
    """All that training changes: what is checkpointed.

    Attributes:
      state: parameters, optimiser state and random key after `epoch` epochs.
      best_params: the parameters with the lowest validation loss, at `best_epoch`.
      best_loss: that loss, with the KL at its full weight.
      epoch: number of epochs begun; all are complete but the last of a diverged run.
      diverged_step: steps done when a loss was first NaN or infinite (or the epoch's, where only
        the state is), else -1. `state` is then the one before that epoch.
    """

    state: TrainState
    best_params: Any
    best_loss: jax.Array
    best_epoch: jax.Array
    epoch: jax.Array
    diverged_step: jax.Array


@struct.dataclass
class Ending:
    """What is left of a run's training, from which it is evaluated; `params` are the best."""

    params: Any
    best_loss: jax.Array
    epoch: jax.Array
    best_epoch: jax.Array
    diverged_step: jax.Array


@struct.dataclass
class Limits:
    """When to stop, int32: after `num_epochs`, the run's budget, or before.

    Patience counts from the end of the KL warm-up; 0 never stops early.
    """

    num_epochs: jax.Array
    patience: jax.Array
    kl_warmup_epochs: jax.Array


@struct.dataclass
class Member:
    """One run in a population; with a leading axis everywhere, the population."""

    hyper: Hyper
    limits: Limits
    progress: Progress


@struct.dataclass
class Images:
    """Train: uint8. Valid: float32 in [0, 1]. Both NxHxWxC, on the device."""

    train: jax.Array
    valid: jax.Array


def start(task: Task, seed: int, images: Images) -> Progress:
    """Returns the progress before the first epoch."""
    return _begin(init_state(task, jax.random.key(seed), images.train[:1]))


def shapes(task: Task, image_shape: tuple[int, int, int]) -> Progress:
    """Returns the shapes and types of a progress on images of shape (H, W, C)."""
    return jax.eval_shape(_begin, state_shapes(task, image_shape))


def _begin(state: TrainState) -> Progress:
    return Progress(
        state=state,
        best_params=state.params,
        best_loss=jnp.float32(np.inf),
        best_epoch=jnp.int32(0),
        epoch=jnp.int32(0),
        diverged_step=jnp.int32(-1),
    )


def ending(progress: Progress) -> Ending:
    p = progress
    return Ending(p.best_params, p.best_loss, p.epoch, p.best_epoch, p.diverged_step)


@jax.jit
def finished(progress: Progress, limits: Limits) -> jax.Array:
    waited = progress.epoch - jnp.maximum(progress.best_epoch, limits.kl_warmup_epochs)
    too_long = (limits.patience > 0) & (waited >= limits.patience)
    return (progress.epoch >= limits.num_epochs) | too_long | (progress.diverged_step >= 0)


def epoch(task: Task, images: Images, member: Member) -> tuple[Progress, dict[str, jax.Array]]:
    """Returns a member's progress one epoch on, and its metrics.

    Those are the objective's, under 'train/...' (means over the epoch) and 'valid/...'.
    """
    hyper, before = member.hyper, member.progress
    state, train = train_epoch(task, hyper, before.state, images.train)
    valid = validate(task, hyper, state.params, images.valid, validation_key())
    sound = jnp.isfinite(valid["loss"]) & all_finite(state)
    finite = jnp.append(jnp.isfinite(train["loss"]), sound)
    alive, better = finite.all(), valid["loss"] < before.best_loss
    after = Progress(
        state=_choose(alive, state, before.state),
        best_params=_choose(alive & better, state.params, before.best_params),
        best_loss=jnp.where(alive & better, valid["loss"], before.best_loss),
        best_epoch=jnp.where(alive & better, before.epoch + 1, before.best_epoch),
        epoch=before.epoch + 1,
        diverged_step=jnp.where(alive, -1, before.state.step + jnp.argmin(finite)),
    )
    over = finished(before, member.limits)
    return _choose(over, before, after), _named("train", train) | _named("valid", valid)


@functools.partial(jax.jit, static_argnames="task", donate_argnames="members")
def advance(
    task: Task, images: Images, members: Member
) -> tuple[Member, dict[str, jax.Array], dict[str, jax.Array]]:
    """One epoch of every member of a population; the given one is donated.

    Returns the population, the metrics, and where each member then is: `epoch`, `step` (a diverged
    one's `diverged_step`) and whether it is `finished`; all with a leading axis.
    """

    def each(member: Member):
        after, metrics = epoch(task, images, member)
        step = jnp.where(after.diverged_step < 0, after.state.step, after.diverged_step)
        where = {"epoch": after.epoch, "step": step, "finished": finished(after, member.limits)}
        return member.replace(progress=after), metrics, where

    if len(members.progress.epoch) > 1:
        return jax.vmap(each)(members)
    # A batch axis of one would make the products slower.
    alone = each(jax.tree.map(lambda leaf: leaf[0], members))
    return jax.tree.map(lambda leaf: leaf[None], alone)


@functools.partial(jax.jit, static_argnames="count")
def repeat(member: Member, count: int) -> Member:
    """Returns a population of `count` members like this one."""
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * count), member)


@jax.jit
def take(tree: Any, indices: jax.Array) -> Any:
    """Returns what `tree` holds of the members at `indices`: one of them, or a population."""
    return jax.tree.map(lambda leaf: leaf[indices], tree)


@functools.partial(jax.jit, donate_argnames="members")
def put(members: Member, indices: jax.Array, part: Member) -> Member:
    """Returns the population with `part` at `indices`; the given one is donated."""
    return jax.tree.map(lambda whole, own: whole.at[indices].set(own), members, part)


def validation_key() -> jax.Array:
    """One key for every epoch and run: validation losses then differ by the parameters alone."""
    return jax.random.fold_in(jax.random.key(0), 1)


def _choose(condition: jax.Array, yes: Any, no: Any) -> Any:
    return jax.tree.map(functools.partial(jnp.where, condition), yes, no)


def _named(prefix: str, metrics: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {f"{prefix}/{name}": values.mean() for name, values in metrics.items()}
