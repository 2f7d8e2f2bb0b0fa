"""Sheets of generated images: the plane of a two-dimensional code, and samples from the prior."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from vae_jax.figures.style import COLUMN, PAGE, style, subplots

FRAME = 0.3  # grey, between images whose edges are black or white


def manifold(images_SxSxHxWxC: np.ndarray, title: str) -> Figure:
    """Draws decoded codes over the unit square: rows by the second dimension, low to high upwards."""
    with style():
        figure, (axes,) = subplots(1, width=COLUMN, height=COLUMN + 0.25)
        _picture(axes, sheet(images_SxSxHxWxC[::-1]), extent=(0, 1, 0, 1))
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
            _picture(axes, sheet(images))
            axes.set_title(title, fontsize=7)
            axes.set_axis_off()
        figure.supxlabel(note, fontsize=7)
    return figure


def sheet(images_RxNxHxWxC: np.ndarray) -> np.ndarray:
    """Returns R rows of N images as one picture, each in a frame: R·(H + 2) x N·(W + 2) x C."""
    frame = [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)]
    framed = np.pad(images_RxNxHxWxC, frame, constant_values=FRAME)
    rows, columns, height, width, channels = framed.shape
    return framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def _picture(axes: Axes, picture: np.ndarray, **options) -> None:
    """Draws HxWxC, grey where C is 1."""
    shown = np.clip(picture.squeeze(-1) if picture.shape[-1] == 1 else picture, 0.0, 1.0)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **options)
    axes.grid(False)
