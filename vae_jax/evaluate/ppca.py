"""Probabilistic PCA in closed form (Tipping & Bishop 1999): all that a linear VAE can reach.

x = Wz + μ + σε with z and ε normal. At the maximum W's columns are principal axes, and the
ELBO of a linear encoder with a diagonal posterior reaches log p(x) (Lucas et al. 2019).
"""

import math

import numpy as np


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


def worth(eigenvalues_D: np.ndarray, variance: float) -> np.ndarray:
    """Returns what the use of each principal axis adds to the mean log p(x) at a fixed σ², nats, shape D.

    ½ (λ/σ² - 1 - ln(λ/σ²)) for λ > σ², else 0.
    """
    ratios = np.maximum(eigenvalues_D / variance, 1.0)
    return 0.5 * (ratios - 1 - np.log(ratios))


def active_dimensions(eigenvalues_D: np.ndarray, latent_size: int, variance: float) -> int:
    """Returns how many of `latent_size` dimensions are used at the maximum of a fixed σ² = `variance`.

    They are the principal axes with λ_i > σ²; the others are cheaper as noise, and collapse.
    """
    return int((eigenvalues_D[:latent_size] > variance).sum())
