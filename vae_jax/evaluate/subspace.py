"""The angles between two linear subspaces: do two linear codes keep the same part of an image?"""

import numpy as np


def principal_angles(one_KxD: np.ndarray, other_KxD: np.ndarray) -> np.ndarray:
    """Returns the principal angles between the spans of two sets of rows, degrees, largest first.

    All 0 if the spans are the same, whatever the rows; all 90 if they are orthogonal (Björck &
    Golub 1973).
    """
    from scipy.linalg import subspace_angles

    return np.degrees(subspace_angles(one_KxD.T.astype(np.float64), other_KxD.T.astype(np.float64)))


def nearest_in_span(rows_KxD: np.ndarray, targets_KxD: np.ndarray) -> np.ndarray:
    """Returns the points of the span of `rows` nearest to each of `targets`, KxD."""
    basis, _ = np.linalg.qr(rows_KxD.T.astype(np.float64))
    return targets_KxD @ basis @ basis.T
