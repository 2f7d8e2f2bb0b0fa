"""Holes of a latent space: places among the codes where there is no code."""

import numpy as np


def gaussian_of(codes_NxZ: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Returns `size` draws of the Gaussian with the codes' own mean and covariance, size x Z."""
    mean, covariance = codes_NxZ.mean(0), np.atleast_2d(np.cov(codes_NxZ.T))
    return np.random.RandomState(seed).multivariate_normal(mean, covariance, size)


def empty_share(
    codes_NxZ: np.ndarray, known_codes_MxZ: np.ndarray, points_PxZ: np.ndarray, level: float = 0.95
) -> float:
    """Returns the share of points that lie in a hole: farther from every code than new images do.

    `level` of the known codes, which are those of images that are not among the first, are nearer
    to a code than that. So 1 - level is as good as no holes; the codes' scale does not matter.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(codes_NxZ)
    reach = np.quantile(tree.query(known_codes_MxZ)[0], level)
    return float((tree.query(points_PxZ)[0] > reach).mean())
