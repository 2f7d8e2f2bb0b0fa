"""Can samples be told from real images? The nearest-neighbour two-sample test."""

import numpy as np


def two_sample_accuracy(real_NxD: np.ndarray, samples_MxD: np.ndarray) -> float:
    """Returns how often an image's nearest other image is of its own kind, real or sampled.

    The leave-one-out accuracy of a nearest-neighbour classifier (Lopez-Paz & Oquab 2017), mean of
    both kinds: 0.5 if the two have the same distribution, 1 if all are told apart, less than 0.5 if
    samples are copies. Binary images are often equally near: each such neighbour counts in part.
    """
    points = np.concatenate([real_NxD, samples_MxD]).astype(np.float64)
    is_real = np.arange(len(points)) < len(real_NxD)
    squares = (points**2).sum(1)
    distances = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest = distances <= distances.min(1, keepdims=True) + 1e-9
    own = (nearest & (is_real[:, None] == is_real)).sum(1) / nearest.sum(1)
    return float((own[is_real].mean() + own[~is_real].mean()) / 2)
