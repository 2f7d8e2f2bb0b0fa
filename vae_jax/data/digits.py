"""`digits`: 1797 real handwritten digits, 8x8, grey values 0 to 16; ships with scikit-learn.

They are the test part of the UCI "Optical Recognition of Handwritten Digits" data set.
"""

import pathlib

import numpy as np


def prepare(manual_dir: pathlib.Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns images uint8 1797x8x8x1 and labels int64 1797, in a fixed random order.

    Neighbours in the original file were written by the same person; the permutation makes
    the three splits alike. RandomState's stream is frozen by NumPy's compatibility policy.
    """
    del manual_dir  # ships with the package
    from sklearn.datasets import load_digits  # 0.8 s, and only the first time

    images, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(images))
    return images[order].astype(np.uint8).reshape(-1, 8, 8, 1), labels[order].astype(np.int64)
