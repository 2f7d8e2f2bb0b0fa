"""Bounds on log p(x): the ELBO and the importance-weighted bound with k samples.

    L_k = E[log 1/k Σ_i w_i],  w_i = p(x|z_i) p(z_i) / q(z_i|x),  z_i ~ q(z|x)

(Burda et al. 2016, Eq. 8). L_1 is the ELBO, L_k grows with k, and log p(x) is its limit.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.batching import in_batches
from vae_jax.model import Autoencoder
from vae_jax.posteriors import Delta


@functools.partial(jax.jit, static_argnames="model")
def bounds(
    model: Autoencoder,
    variables: dict[str, Any],
    images_NxHxWxC: jax.Array,
    key: jax.Array,
    num_samples: int,
) -> dict[str, jax.Array]:
    """Returns reconstruction, kl, elbo and nll = -L_k, means over images, nats.

    A plain autoencoder has no density of z: it gets `reconstruction` alone. Memory does not
    grow with `num_samples`, and another number of samples compiles nothing anew.
    """
    if model.posterior is Delta:
        terms = per_image(model, variables, images_NxHxWxC, key, 1)
        return {"reconstruction": -terms["log_px"].mean()}
    terms = per_image(model, variables, images_NxHxWxC, key, num_samples)
    rec, kl = -terms["log_px"].mean(), terms["kl"].mean()
    return {"reconstruction": rec, "kl": kl, "elbo": -rec - kl, "nll": -terms["bound"].mean()}


@functools.partial(jax.jit, static_argnames="model")
def per_image(
    model: Autoencoder,
    variables: dict[str, Any],
    images_NxHxWxC: jax.Array,
    key: jax.Array,
    num_samples: int,
) -> dict[str, jax.Array]:
    """Returns, for each image: log_px (mean over samples of log p(x|z)), kl, bound = L_k."""
    batch = functools.partial(_batch, model, variables, num_samples)
    return in_batches(batch, images_NxHxWxC, key)


def _batch(model, variables, num_samples, images_BxHxWxC, key):
    q = model.apply(variables, images_BxHxWxC, method="encode")

    def add_sample(i, sums):
        z_BxZ = q.sample(jax.random.fold_in(key, i))
        log_px_B = model.apply(variables, z_BxZ, method="decode").log_prob(images_BxHxWxC)
        log_weight_B = log_px_B + _log_density_ratio(model, q, z_BxZ)
        return sums[0] + log_px_B, jnp.logaddexp(sums[1], log_weight_B)

    nothing = jnp.zeros(len(images_BxHxWxC))
    total_B, log_sum_B = jax.lax.fori_loop(0, num_samples, add_sample, (nothing, nothing - math.inf))
    return {
        "log_px": total_B / num_samples,
        "kl": model.prior.kl(q).sum(-1),
        "bound": log_sum_B - jnp.log(num_samples),
    }


def _log_density_ratio(model, q, z_BxZ):
    """Returns log p(z) - log q(z|x), shape B; 0 where there is no density."""
    if model.posterior is Delta:
        return 0.0
    return model.prior.log_prob(z_BxZ) - q.log_prob(z_BxZ)
