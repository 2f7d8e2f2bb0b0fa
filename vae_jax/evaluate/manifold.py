"""The plane of a two-dimensional code: a grid of equal probability, and how smoothly it decodes."""

import numpy as np


def unit_square(side: int) -> np.ndarray:
    """Returns side² codes: a grid on the unit square through the inverse normal CDF, S²x2.

    Each stands for the same share of the prior (Kingma & Welling 2014, Fig. 4). The first
    dimension varies fastest, the second from low to high.
    """
    from scipy.special import ndtri  # 0.2 s: only where it is needed

    places = ndtri((np.arange(side) + 0.5) / side)
    second, first = np.meshgrid(places, places, indexing="ij")
    return np.stack([first.ravel(), second.ravel()], axis=1)


def roughness(images_SxSxHxWxC: np.ndarray) -> float:
    """Returns the mean squared distance of images side by side / that of any two images.

    0 is perfectly smooth, 1 is no order at all.
    """
    images = images_SxSxHxWxC.reshape(*images_SxSxHxWxC.shape[:2], -1).astype(np.float64)
    steps = [np.diff(images, axis=axis) for axis in (0, 1)]
    beside = np.mean([(step**2).sum(-1).mean() for step in steps])
    flat = images.reshape(-1, images.shape[-1])
    any_two = 2 * flat.var(0).sum() * len(flat) / (len(flat) - 1)
    return float(beside / any_two)
