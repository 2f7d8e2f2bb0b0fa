"""Class accuracy of k nearest neighbours in the latent space: are like classes together?"""

import functools

import jax
import numpy as np

REFERENCES = 10_000  # training codes that neighbours are looked for in; the first of train


def knn_accuracy(
    train_codes_NxZ: np.ndarray,
    train_labels_N: np.ndarray,
    test_codes_MxZ: np.ndarray,
    test_labels_M: np.ndarray,
    neighbors: int,
) -> float:
    """Returns the share of test codes whose `neighbors` nearest training codes, by Euclidean
    distance and majority, name their class: 1 is perfect, 1/classes is chance."""
    found_M = nearest_labels(train_codes_NxZ, train_labels_N, test_codes_MxZ, neighbors)
    return float((found_M == test_labels_M).mean())


def nearest_labels(
    known_NxD: np.ndarray, labels_N: np.ndarray, asked_MxD: np.ndarray, neighbors: int
) -> np.ndarray:
    """Returns the most frequent label of the `neighbors` nearest known points, shape M.

    Of labels that are equally frequent, the smallest.
    """
    found_MxK = np.asarray(_nearest(known_NxD, asked_MxD, min(neighbors, len(known_NxD))))
    labels, numbers_N = np.unique(labels_N, return_inverse=True)
    votes_MxL = (numbers_N[found_MxK][..., None] == np.arange(len(labels))).sum(1)
    return labels[votes_MxL.argmax(-1)]


@functools.partial(jax.jit, static_argnames="count")
def _nearest(known_NxD: jax.Array, asked_MxD: jax.Array, count: int) -> jax.Array:
    """Returns the numbers of the nearest known points, MxK.

    Here and not by scikit-learn, whose import takes longer than the training of a small model.
    """

    def of_one(asked_D):
        # As |x|² - 2xy + |y|² it would be a product of matrices, and wrong where codes are far from 0.
        squares_N = ((known_NxD - asked_D[None]) ** 2).sum(-1)
        return jax.lax.top_k(-squares_N, count)[1]

    return jax.lax.map(of_one, asked_MxD, batch_size=100)
