"""Can samples be told from real images? The nearest-neighbour two-sample test."""

from typing import NamedTuple

import numpy as np


class OwnKind(NamedTuple):
    """How often the nearest other image is of its own kind, of real images and of samples."""

    real: float
    sampled: float


def own_kind(real_NxD: np.ndarray, samples_MxD: np.ndarray) -> OwnKind:
    """Returns how well a nearest-neighbour classifier, leaving one out, knows either kind.

    Both are 0.5 if the two have the same distribution, and 0 if samples are copies (Lopez-Paz & Oquab
    2017). Their mean says little where they differ: of noisy samples all images are told right and no
    sample, whose nearest image is a real one; of blurred ones it may be the other way round. Binary
    images are often equally near: each such neighbour counts in part.
    """
    points = np.concatenate([real_NxD, samples_MxD]).astype(np.float64)
    is_real = np.arange(len(points)) < len(real_NxD)
    squares = (points**2).sum(1)
    distances = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest = distances <= distances.min(1, keepdims=True) + 1e-9
    own = (nearest & (is_real[:, None] == is_real)).sum(1) / nearest.sum(1)
    return OwnKind(float(own[is_real].mean()), float(own[~is_real].mean()))
