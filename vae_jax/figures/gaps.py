"""A latent space of two dimensions, decoded everywhere: where are its gaps?"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from vae_jax.figures.grid import show
from vae_jax.figures.style import PAGE, style, subplots


class Space(NamedTuple):
    """A model's latent space between two corners.

    Attributes:
      low, high: the corners, 2 each.
      codes: of test images, Nx2.
      grid: SxSxHxWxC, decoded in the middles of SxS cells, from the top left.
      distances: FxF, how far the decoded image of each cell is from the nearest training image.
      samples: RxRxHxWxC, decoded at random points.
    """

    low: np.ndarray
    high: np.ndarray
    codes: np.ndarray
    grid: np.ndarray
    distances: np.ndarray
    samples: np.ndarray


def gaps(spaces: Mapping[str, Space], notes: Mapping[str, str], title: str) -> Figure:
    """Draws a row for each model: map of distances, decoded grid, decoded samples.

    Args:
      notes: model -> what stands under its name.
      title: names the data set.
    """
    highest = max(np.quantile(space.distances, 0.995) for space in spaces.values())
    lowest = min(space.distances.min() for space in spaces.values())
    with style():
        figure, panels = subplots(3, rows=len(spaces), width=PAGE, height=2.5 * len(spaces))
        for index, (name, space) in enumerate(spaces.items()):
            distances, grid, samples = panels[3 * index : 3 * index + 3]
            mesh = _distances(distances, space, lowest, highest)
            distances.set_title(f"{title}, {name}\n{notes[name]}")
            bar = distances.inset_axes([1.03, 0, 0.05, 1])
            figure.colorbar(mesh, cax=bar, label="distance to the nearest\ntraining image (RMS per pixel)")
            show(grid, space.grid)
            grid.set_title("decoded over the same area")
            show(samples, space.samples)
            samples.set_title("decoded samples")
    return figure


def _distances(axes: Axes, space: Space, lowest: float, highest: float) -> QuadMesh:
    """Draws the map, dark where the decoder makes what looks like data, with the codes on it."""
    across, up = (
        np.linspace(low, high, space.distances.shape[0] + 1)
        for low, high in zip(space.low, space.high, strict=True)
    )
    options = {"cmap": "viridis", "vmin": lowest, "vmax": highest, "rasterized": True}
    mesh = axes.pcolormesh(across, up, space.distances[::-1], **options)
    size = float(np.clip(1500 / len(space.codes), 0.3, 3.0))
    axes.scatter(*space.codes.T, s=size, c="white", linewidths=0, alpha=0.8, rasterized=True)
    axes.set(xlim=across[[0, -1]], ylim=up[[0, -1]])
    axes.set(xlabel="latent dimension 1", ylabel="latent dimension 2")
    axes.set_box_aspect(1)
    axes.grid(False)
    return mesh
