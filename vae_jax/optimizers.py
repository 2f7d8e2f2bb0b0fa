"""Optimisers and learning-rate schedules from optax, with the learning rate left open.

The rate is a traced value: it may differ at every step and between members of a population
without compiling anything anew.
"""

import dataclasses

import jax
import optax

from vae_jax.errors import lookup

DIRECTIONS = {
    "adam": optax.scale_by_adam,
    "momentum": lambda: optax.trace(decay=0.9),
    "rmsprop": optax.scale_by_rms,
    "sgd": optax.identity,
}

# Factor on the learning rate against the progress of training, from 0 to 1.
SCHEDULES = {
    "constant": optax.constant_schedule(1.0),
    "cosine": optax.cosine_decay_schedule(1.0, decay_steps=1),
    "exponential": optax.exponential_decay(1.0, transition_steps=1, decay_rate=0.01),
}


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """A recipe: learning rate -> optax transformation.

    Attributes:
      name: one of DIRECTIONS.
      weight_decay: decoupled (Loshchilov & Hutter 2019); 0 for none.
      max_grad_norm: gradients of a larger global norm are scaled down to it; 0 for no limit.
    """

    name: str
    weight_decay: float
    max_grad_norm: float

    def __call__(self, learning_rate: jax.Array | float) -> optax.GradientTransformation:
        parts = [lookup("optimizer", self.name, DIRECTIONS)()]
        if self.max_grad_norm:
            parts.insert(0, optax.clip_by_global_norm(self.max_grad_norm))
        if self.weight_decay:
            parts.append(optax.add_decayed_weights(self.weight_decay))
        return optax.chain(*parts, optax.scale_by_learning_rate(learning_rate))
