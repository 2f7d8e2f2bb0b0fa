"""Class accuracy of k nearest neighbours in the latent space: are like classes together?"""

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
    """Returns the most frequent label of the `neighbors` nearest known points, shape M."""
    from sklearn.neighbors import KNeighborsClassifier  # 0.9 s: only where it is needed

    classifier = KNeighborsClassifier(min(neighbors, len(known_NxD)))
    return classifier.fit(known_NxD, labels_N).predict(asked_MxD)
