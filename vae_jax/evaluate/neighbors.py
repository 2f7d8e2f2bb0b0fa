"""Who lives next to whom in a latent space: class purity, and which classes are mixed or near."""

from typing import NamedTuple

import numpy as np


class ClassPair(NamedTuple):
    """Two labels, and how far apart or how mixed up their classes are."""

    first: int
    second: int
    value: float


def mixing(points_NxD: np.ndarray, labels_N: np.ndarray, neighbors: int = 10) -> np.ndarray:
    """Returns M, CxC: the share of class i's nearest neighbours that are of class j.

    Rows sum to 1; a point is not its own neighbour; distances are Euclidean. C is the
    number of classes, labelled 0 to C-1.
    """
    from sklearn.neighbors import NearestNeighbors  # 0.9 s: only where it is needed

    search = NearestNeighbors(n_neighbors=neighbors).fit(points_NxD)
    found_NxK = search.kneighbors(return_distance=False)
    classes = int(labels_N.max()) + 1
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels_N[:, None], labels_N[found_NxK]), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def purity(mixing_CxC: np.ndarray, labels_N: np.ndarray) -> float:
    """Returns the share of neighbours of the same class, over all points: chance is about 1/C."""
    weights = np.bincount(labels_N, minlength=len(mixing_CxC)) / len(labels_N)
    return float((np.diag(mixing_CxC) * weights).sum())


def class_distances(points_NxD: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Returns the Euclidean distances between the classes' mean points, CxC."""
    means_CxD = np.stack([points_NxD[labels_N == c].mean(0) for c in range(int(labels_N.max()) + 1)])
    return np.linalg.norm(means_CxD[:, None] - means_CxD[None], axis=-1)


def pairs(values_CxC: np.ndarray) -> list[ClassPair]:
    """Returns every pair of different classes with the mean of its two entries, smallest first."""
    symmetric = (values_CxC + values_CxC.T) / 2
    upper = zip(*np.triu_indices(len(symmetric), 1), strict=True)
    return sorted(
        (ClassPair(int(i), int(j), float(symmetric[i, j])) for i, j in upper), key=lambda p: p.value
    )


def chance_correlation(one_CxC: np.ndarray, other_CxC: np.ndarray, shuffles: int = 1000) -> float:
    """Returns what 95% of the rank correlations stay below when the classes of one are shuffled.

    The Mantel (1967) test: pairs that share a class are not independent, classes are.
    """
    rng = np.random.RandomState(0)
    orders = [rng.permutation(len(one_CxC)) for _ in range(shuffles)]
    one, other = ranks(one_CxC), ranks(other_CxC)  # a shuffle of the classes only moves the ranks
    return float(np.quantile([_correlation(one, other[order][:, order]) for order in orders], 0.95))


def rank_correlation(one_CxC: np.ndarray, other_CxC: np.ndarray) -> float:
    """Returns Spearman's rank correlation over the pairs of different classes."""
    return _correlation(ranks(one_CxC), ranks(other_CxC))


def ranks(distances_CxC: np.ndarray) -> np.ndarray:
    """Returns the rank of each pair of different classes among all pairs, symmetric, 0 on the diagonal."""
    from scipy.stats import rankdata

    upper = np.triu_indices(len(distances_CxC), 1)
    found = np.zeros(distances_CxC.shape)
    found[upper] = rankdata(((distances_CxC + distances_CxC.T) / 2)[upper])
    return found + found.T


def _correlation(one_CxC: np.ndarray, other_CxC: np.ndarray) -> float:
    upper = np.triu_indices(len(one_CxC), 1)
    return float(np.corrcoef(one_CxC[upper], other_CxC[upper])[0, 1])
