"""Training: one pure step, and an epoch that is one compiled `lax.scan` over it.

What changes a shape or the program is in `Task` (static); what is only a number is in
`Hyper` (traced), so that seed, learning rate, β and warm-up never compile anything anew.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from vae_jax.batching import in_batches, split
from vae_jax.data import Preprocess
from vae_jax.model import Autoencoder, variables
from vae_jax.objectives import Loss, Metrics
from vae_jax.optimizers import Optimizer


@dataclasses.dataclass(frozen=True)
class Task:
    """The static part of a run: hashable, so that equal tasks share a compiled program."""

    model: Autoencoder
    loss: Loss
    optimizer: Optimizer
    schedule: optax.Schedule
    preprocess: Preprocess
    batch_size: int


@struct.dataclass
class Hyper:
    """The traced part of a run: float32 scalars.

    Attributes:
      learning_rate: before the schedule's factor.
      beta: weight of the KL term after the warm-up.
      kl_warmup_steps: the weight grows linearly from 0 to β over so many steps.
      num_steps: length of the whole training, for the schedule.
      sigma: σ of a Gaussian likelihood, or its first value where σ is learned.
      mask: like the parameters, 0 where one only fills a smaller model up to the size of others
        that share its program, else 1; None where nothing is filled up.
    """

    learning_rate: jax.Array
    beta: jax.Array
    kl_warmup_steps: jax.Array
    num_steps: jax.Array
    sigma: jax.Array
    mask: Any = None


@struct.dataclass
class TrainState:
    """What a step changes, and the key of all its random numbers."""

    params: Any
    opt_state: Any
    step: jax.Array
    key: jax.Array


def kl_weight(hyper: Hyper, step: jax.Array) -> jax.Array:
    """Returns β times the fraction of the warm-up that is over at this step."""
    return hyper.beta * jnp.where(step < hyper.kl_warmup_steps, step / hyper.kl_warmup_steps, 1.0)


def step_keys(state: TrainState) -> jax.Array:
    """Returns three keys of this step: for the images, for z, for an epoch that begins here."""
    return jax.random.split(jax.random.fold_in(state.key, state.step), 3)


def train_step(
    task: Task, hyper: Hyper, state: TrainState, pixels_BxHxWxC: jax.Array
) -> tuple[TrainState, Metrics]:
    """One gradient step on a batch of uint8 images; returns the new state and its metrics."""
    image_key, z_key, _ = step_keys(state)
    images = task.preprocess(image_key, pixels_BxHxWxC)

    def loss(params):
        terms = task.model.apply(variables(params, hyper.sigma), images, z_key)
        return task.loss(terms, kl_weight(hyper, state.step))

    grads, metrics = jax.grad(loss, has_aux=True)(state.params)
    if hyper.mask is not None:
        grads = jax.tree.map(jnp.multiply, grads, hyper.mask)

    rate = hyper.learning_rate * task.schedule(state.step / hyper.num_steps)
    updates, opt_state = task.optimizer(rate).update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return state.replace(params=params, opt_state=opt_state, step=state.step + 1), metrics


# Run once, so what counts is how soon it is compiled: every size of model is a program.
QUICKLY_COMPILED = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, static_argnames="task", compiler_options=QUICKLY_COMPILED)
def init_state(task: Task, key: jax.Array, pixels_BxHxWxC: jax.Array) -> TrainState:
    """Returns the state before the first step; `pixels` only give the shape."""
    init_key, z_key, train_key = jax.random.split(key, 3)
    images = pixels_BxHxWxC.astype(jnp.float32)
    params = task.model.init(init_key, images, z_key)["params"]
    return TrainState(params, task.optimizer(0.0).init(params), jnp.zeros((), jnp.int32), train_key)


@functools.partial(jax.jit, static_argnames="task", donate_argnames="state")
def train_epoch(
    task: Task, hyper: Hyper, state: TrainState, pixels_NxHxWxC: jax.Array
) -> tuple[TrainState, Metrics]:
    """One pass over the images in a random order; the last partial batch is left out.

    Returns the new state and the metrics of every step, in order. `state` is donated. NaN and
    infinity are not held up: a step that takes the parameters there shows in the next loss.
    """
    count = len(pixels_NxHxWxC)
    steps = count // task.batch_size
    order = jax.random.permutation(step_keys(state)[2], count)[: steps * task.batch_size]

    def step(state, indices):
        return train_step(task, hyper, state, pixels_NxHxWxC[split(indices)])

    return jax.lax.scan(step, state, order.reshape(steps, task.batch_size))


@jax.jit
def all_finite(tree: Any) -> jax.Array:
    """Whether no number of a state is NaN or infinite: a moment can be while every loss is finite."""
    numbers = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in numbers]))


@functools.partial(jax.jit, static_argnames="task")
def validate(task: Task, hyper: Hyper, params: Any, images_NxHxWxC: jax.Array, key: jax.Array) -> Metrics:
    """Returns the objective's metrics on images in [0, 1], the KL at its full weight β."""

    def terms(images, key):
        return task.model.apply(variables(params, hyper.sigma), images, key)

    return task.loss(in_batches(terms, images_NxHxWxC, key), hyper.beta)[1]
