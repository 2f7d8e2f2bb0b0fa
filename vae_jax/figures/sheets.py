"""Sheets of generated images: the plane of a two-dimensional code, and samples from the prior."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from vae_jax.figures import grid
from vae_jax.figures.style import COLUMN, PAGE, style, subplots


def manifold(images_SxSxHxWxC: np.ndarray, title: str) -> Figure:
    """Draws decoded codes over the unit square: rows by the second dimension, low to high upwards."""
    with style():
        figure, (axes,) = subplots(1, width=COLUMN, height=COLUMN + 0.25)
        picture = grid.tile(images_SxSxHxWxC[::-1])
        axes.imshow(picture, extent=(0, 1, 0, 1), interpolation="nearest")
        axes.grid(False)
        axes.set(xlabel="latent dimension 1, quantile of N(0, 1)", title=title)
        axes.set_ylabel("latent dimension 2, quantile of N(0, 1)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    return figure


def samples(sheets: Mapping[str, np.ndarray], note: str) -> Figure:
    """Draws one panel a sheet: title -> images RxNxHxWxC; `note` stands below them all."""
    with style():
        figure, panels = subplots(len(sheets), width=PAGE, height=PAGE / len(sheets) + 0.75)
        for axes, (title, images) in zip(panels, sheets.items(), strict=True):
            grid.show(axes, images)
            axes.set_title(title, fontsize=7)
        figure.supxlabel(note, fontsize=7)
    return figure
