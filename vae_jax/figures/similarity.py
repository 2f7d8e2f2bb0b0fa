"""Distance in a latent space against distance of the images, and who is near to whom."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from vae_jax.figures.grid import gap_pixels, show
from vae_jax.figures.style import PAGE, curve, style, subplots
from vae_jax.statistics import Estimate


def similarity(
    curves: Mapping[str, Sequence[Estimate]], shown: Mapping[str, np.ndarray], nearest: int, title: str
) -> Figure:
    """Draws the curves of all models, and for each some images by the distance of their codes.

    Args:
      curves: model -> distance of images in each bin of pairs, from the nearest codes to the farthest.
      shown: model -> QxKxHxWxC: an image, those of the nearest codes, those of the farthest.
      nearest: how many of these are the nearest.
      title: names the images.
    """
    with style():
        figure, (axes, *panels) = subplots(1 + len(shown), width=PAGE, height=2.5)
        for index, (name, estimates) in enumerate(curves.items()):
            middles = (np.arange(len(estimates)) + 0.5) * 100 / len(estimates)
            curve(axes, middles, estimates, name, index)
        axes.set(xlabel="pairs by latent distance (percentile)", title=title)
        axes.set_ylabel("distance of images\n(root mean square per pixel)")
        axes.legend()
        for panel, (name, images) in zip(panels, shown.items(), strict=True):
            columns = [""] * images.shape[1]
            columns[0], columns[1 + nearest // 2] = "image", "nearest codes"
            columns[1 + nearest + (len(columns) - 1 - nearest) // 2] = "farthest"
            show(panel, images, columns=columns)
            panel.axvline(_between(images, 1), color="0.3", linewidth=0.8)
            panel.axvline(_between(images, 1 + nearest), color="0.3", linewidth=0.8)
            panel.set_title(name)
    return figure


def _between(images_QxKxHxWxC: np.ndarray, columns: int) -> float:
    """Returns where the gap before a column is."""
    height, width = images_QxKxHxWxC.shape[2:4]
    return columns * (width + gap_pixels(height)) - gap_pixels(height) / 2
