"""Active units: how many latent dimensions the encoder uses."""

import numpy as np

THRESHOLD = 0.01  # Burda et al. 2016, Section 5.1


def activity(codes_NxZ: np.ndarray) -> np.ndarray:
    """Returns A_u = Var_x(E_q[u]) of each latent dimension u, shape Z."""
    return codes_NxZ.var(0)


def active_units(codes_NxZ: np.ndarray) -> int:
    """Returns the number of latent dimensions with A_u > 0.01 (Burda et al. 2016, App. C)."""
    return int((activity(codes_NxZ) > THRESHOLD).sum())
