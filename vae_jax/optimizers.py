"""Optimisers and learning-rate schedules from optax, with the learning rate left open.

The rate is a traced value: it may differ at every step and between members of a population
without compiling anything anew.
"""

import dataclasses
from typing import Any

import jax
import optax

from vae_jax.errors import lookup

# Name -> (b1, b2, eps) -> direction of the step; each takes what it knows.
DIRECTIONS = {
    "adam": lambda b1, b2, eps: optax.scale_by_adam(b1, b2, eps),
    "momentum": lambda b1, b2, eps: optax.trace(decay=b1),
    "rmsprop": lambda b1, b2, eps: optax.scale_by_rms(decay=b2, eps=eps, eps_in_sqrt=False),
    "sgd": lambda b1, b2, eps: optax.identity(),
}

# Factor on the learning rate against the progress of training, from 0 to 1.
SCHEDULES = {
    "constant": optax.constant_schedule(1.0),
    "cosine": optax.cosine_decay_schedule(1.0, decay_steps=1),
    "exponential": optax.exponential_decay(1.0, transition_steps=1, decay_rate=0.01),
    "warmup_cosine": optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=0.05, decay_steps=1.0),
}


def _is_matrix(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """A recipe: learning rate -> optax transformation.

    Attributes:
      name: one of DIRECTIONS.
      b1, b2, eps: decay of the first and second moments, and what is added to the root of the
        second; `momentum` takes b1, `rmsprop` b2 and eps, `sgd` none.
      weight_decay: decoupled (Loshchilov & Hutter 2019), of weights but not biases; 0 for none.
      max_grad_norm: gradients of a larger global norm are scaled down to it; 0 for no limit.
    """

    name: str
    b1: float
    b2: float
    eps: float
    weight_decay: float
    max_grad_norm: float

    def __call__(self, learning_rate: jax.Array | float) -> optax.GradientTransformation:
        parts = [lookup("optimizer", self.name, DIRECTIONS)(self.b1, self.b2, self.eps)]
        if self.max_grad_norm:
            parts.insert(0, optax.clip_by_global_norm(self.max_grad_norm))
        if self.weight_decay:
            parts.append(optax.add_decayed_weights(self.weight_decay, mask=_is_matrix))
        return optax.chain(*parts, optax.scale_by_learning_rate(learning_rate))
