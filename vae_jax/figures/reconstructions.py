"""Originals above what comes back from codes of several sizes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from vae_jax.figures.grid import show
from vae_jax.figures.style import PAGE, style, subplots
from vae_jax.statistics import Estimate


def reconstructions(
    originals_KxHxWxC: np.ndarray,
    sizes: Sequence[int],
    rebuilt: Mapping[str, Sequence[np.ndarray]],
    errors: Mapping[str, Sequence[Estimate]],
    title: str,
) -> Figure:
    """Draws one panel per model: the originals, and a row for each latent size.

    Args:
      sizes: the latent sizes.
      rebuilt: model -> reconstructions KxHxWxC at each size, of one seed.
      errors: model -> MSE per pixel on all of test at each size.
      title: names the images.
    """
    with style():
        image = (PAGE / len(rebuilt) - 0.65) / len(originals_KxHxWxC) / 1.1  # inches
        figure, panels = subplots(len(rebuilt), width=PAGE, height=0.5 + 1.1 * image * (len(sizes) + 1))
        for axes, (name, rows) in zip(panels, rebuilt.items(), strict=True):
            values = zip(sizes, errors[name], strict=True)
            names = [f"{size} · {error.mean:.4f}" for size, error in values]
            show(axes, np.stack([originals_KxHxWxC, *rows]), ["original", *names])
            axes.set_title(f"{title}: {name}")
        figure.supxlabel("rows: latent size · mean squared error per pixel", fontsize=7)
    return figure
