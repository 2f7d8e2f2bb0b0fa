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
    from sklearn.neighbors import KNeighborsClassifier  # 0.9 s: only where it is needed

    classifier = KNeighborsClassifier(min(neighbors, len(train_codes_NxZ)))
    return classifier.fit(train_codes_NxZ, train_labels_N).score(test_codes_MxZ, test_labels_M)
