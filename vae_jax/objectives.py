"""Objectives: per-example terms -> the loss to minimise, and the metrics to report.

Losses are sums over pixels and latent dimensions, means over the batch; nats, except
`mse` (squared pixel values). Each takes `beta`, the weight of the KL term at this step.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax

from vae_jax.model import Terms

Metrics = dict[str, jax.Array]
Loss = Callable[[Terms, jax.Array], tuple[jax.Array, Metrics]]


def mse(terms: Terms, beta: jax.Array) -> tuple[jax.Array, Metrics]:
    """Eq. 3 of the post: L = |X - X'|², per image. A plain autoencoder has no KL term."""
    del beta
    loss = terms.squared_error_B.mean()
    return loss, {"loss": loss}


def reconstruction(terms: Terms, beta: jax.Array) -> tuple[jax.Array, Metrics]:
    """L = -log p(x|F): a plain autoencoder trained by maximum likelihood, nats per image."""
    del beta
    loss = terms.reconstruction_B.mean()
    return loss, {"loss": loss}


def elbo(terms: Terms, beta: jax.Array) -> tuple[jax.Array, Metrics]:
    """L = E_q[-log p(x|z)] + β KL(q(z|x)‖p(z)), nats per image.

    β = 1 is minus the ELBO (Kingma & Welling 2014, Eq. 10); other β: Higgins et al. 2017.
    The metric `elbo` always has β = 1, so that it stays a bound on log p(x).
    """
    rec, kl = terms.reconstruction_B.mean(), terms.kl_BxZ.sum(-1).mean()
    loss = rec + beta * kl
    return loss, {"loss": loss, "reconstruction": rec, "kl": kl, "elbo": -rec - kl}


class Objective(NamedTuple):
    """A loss, and which of a model's parts it makes use of."""

    loss: Loss
    uses_kl: bool
    uses_likelihood: bool


OBJECTIVES = {
    "elbo": Objective(elbo, uses_kl=True, uses_likelihood=True),
    "mse": Objective(mse, uses_kl=False, uses_likelihood=False),
    "reconstruction": Objective(reconstruction, uses_kl=False, uses_likelihood=True),
}
