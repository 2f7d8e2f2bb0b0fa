"""Probabilistic PCA in closed form (Tipping & Bishop 1999): all that a linear VAE can reach.

x = Wz + μ + σε with z and ε normal. At the maximum W's columns are principal axes, and the
ELBO of a linear encoder with a diagonal posterior reaches log p(x) (Lucas et al. 2019).
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from vae_jax.model import Autoencoder


def elbo(model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: np.ndarray) -> float:
    """Returns the mean ELBO of a linear VAE with a Gaussian likelihood, exactly, nats per image.

    E_q |x - Wz - μ|² = |x - W E[z] - μ|² + Σ_i |w_i|² Var[z_i]: no z need be drawn.
    """
    q = model.apply(variables, jnp.asarray(images_NxHxWxC), method="encode")
    count, size = q.mean_BxZ.shape
    flat_axes = model.apply(variables, jnp.eye(size), method="decode").mean.reshape(size, -1)
    origin = model.apply(variables, jnp.zeros((1, size)), method="decode").mean.reshape(1, -1)
    norms_Z = ((flat_axes - origin) ** 2).sum(-1)
    p = model.apply(variables, q.mean_BxZ, method="decode")
    squares_B = ((images_NxHxWxC - p.mean) ** 2).reshape(count, -1).sum(-1) + jnp.exp(q.logvar_BxZ) @ norms_Z
    log_variance = 2 * p.log_sigma + math.log(2 * math.pi)
    rec_B = 0.5 * (squares_B * jnp.exp(-2 * p.log_sigma) + flat_axes.shape[-1] * log_variance)
    return -float((rec_B + model.prior.kl(q).sum(-1)).mean())


def eigenvalues(images: np.ndarray) -> np.ndarray:
    """Returns the eigenvalues of the images' covariance (divided by N), largest first, shape D.

    Args:
      images: NxHxWxC or NxD, real values.
    """
    images_NxD = images.reshape(len(images), -1).astype(np.float64)
    return np.linalg.eigvalsh(np.cov(images_NxD.T, bias=True))[::-1]


def max_log_likelihood(eigenvalues_D: np.ndarray, latent_size: int) -> float:
    """Returns the greatest mean log p(x) on the images of these eigenvalues, nats per image.

    -½ [Σ_{i≤q} ln λ_i + (D - q) ln σ² + D (ln 2π + 1)], σ² the mean of the discarded λ, q < D.
    """
    kept, discarded = eigenvalues_D[:latent_size], eigenvalues_D[latent_size:]
    log_det = np.log(kept).sum() + len(discarded) * np.log(discarded.mean())
    return float(-0.5 * (log_det + len(eigenvalues_D) * (math.log(2 * math.pi) + 1)))


def max_log_likelihood_at(eigenvalues_D: np.ndarray, latent_size: int, variance: float) -> float:
    """Returns the greatest mean log p(x) of models whose σ² is `variance`, nats per image.

    -½ [Σ_{i≤k} (ln λ_i + 1) + Σ_{i>k} (ln σ² + λ_i/σ²) + D ln 2π], k the dimensions that are then active:
    along those the model has the data's variance, along the others its noise alone. With `latent_size` 0
    it is what a collapsed model has.
    """
    count = active_dimensions(eigenvalues_D, latent_size, variance)
    used, unused = np.split(eigenvalues_D, [count])
    terms = (np.log(used) + 1).sum() + (math.log(variance) + unused / variance).sum()
    return float(-0.5 * (terms + len(eigenvalues_D) * math.log(2 * math.pi)))


def active_dimensions(eigenvalues_D: np.ndarray, latent_size: int, variance: float) -> int:
    """Returns how many of `latent_size` dimensions are used at the maximum of a fixed σ² = `variance`.

    They are the principal axes with λ_i > σ²; the others are cheaper as noise, and collapse.
    """
    return int((eigenvalues_D[:latent_size] > variance).sum())
