"""The post's Fig. 1: encoder, code and decoder, every layer a column of nodes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from vae_jax.evaluate.architecture import Layer
from vae_jax.figures.style import COLORS, PAGE, style, subplots

NODES = 11  # are drawn of a layer at most
INK = {
    "input": COLORS[0],
    "encoder": COLORS[1],
    "code": "#C1272D",
    "decoder": COLORS[3],
}  # red as in the post


def architecture(models: Mapping[str, Sequence[Layer]], image_shape: tuple[int, int, int]) -> Figure:
    """Draws a row for each model.

    Args:
      models: title -> its layers, in the order in which an image passes them.
      image_shape: (H, W, C).
    """
    with style():
        figure, panels = subplots(1, rows=len(models), width=PAGE, height=2.5 * len(models))
        for axes, (title, layers) in zip(panels, models.items(), strict=True):
            _model(axes, layers, image_shape)
            total = sum(layer.parameters for layer in layers)
            axes.set_title(f"{title}: {total:,} parameters (on each layer, its own)")
    return figure


def _model(axes: Axes, layers: Sequence[Layer], image_shape: tuple[int, int, int]) -> None:
    image = Layer("input", "input X", image_shape, 0)
    columns = [image, *layers]
    code = max(index for index, layer in enumerate(columns) if layer.side == "encoder")
    most = max(layer.values for layer in columns)
    heights = [_height(layer.values, most) for layer in columns]
    for place, (layer, height) in enumerate(zip(columns, heights, strict=True)):
        color = INK["code" if place == code else layer.side]
        if place:
            _weights(axes, place, heights[place - 1 : place + 1], layer, INK[layer.side])
        _nodes(axes, place, height, layer.values, color)
        name = "code F" if place == code else "output X′" if layer is columns[-1] else layer.kind
        text = f"{name}\n{'×'.join(map(str, layer.shape))}"
        axes.text(place, -0.62, text, ha="center", va="top", fontsize=7, color=color)
    _side(axes, 0.5, code - 0.5, "encoder")
    _side(axes, code + 0.5, len(columns) - 1.5, "decoder")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.95, 0.78))
    axes.set_axis_off()


def _height(values: int, most: int) -> float:
    """Returns how tall a layer is drawn: it grows with the logarithm of its size, 1 for the largest."""
    return 0.1 + 0.9 * math.log(max(values, 2)) / math.log(most)


def _weights(axes: Axes, place: int, heights: Sequence[float], layer: Layer, color: str) -> None:
    """Draws what leads from one column to the next, with the number of its parameters."""
    left, right = heights[0] / 2, heights[1] / 2
    corners = [(place - 0.9, -left), (place - 0.9, left), (place - 0.1, right), (place - 0.1, -right)]
    axes.add_patch(Polygon(corners, facecolor=color, alpha=0.15, linewidth=0))
    axes.text(place - 0.5, 0, f"{layer.parameters:,}", ha="center", va="center", fontsize=7)


def _nodes(axes: Axes, place: int, height: float, values: int, color: str) -> None:
    """Draws a column of nodes, all of them if they are few; else its middle stands for the rest."""
    places = np.linspace(-height / 2, height / 2, min(values, NODES)) if values > 1 else np.zeros(1)
    drawn = np.ones(len(places), bool)
    if values > NODES:
        drawn[NODES // 2] = False
        dots = np.linspace(-0.25, 0.25, 3) * height / (NODES - 1)
        axes.scatter([place] * 3, dots, s=0.8, color=color, linewidths=0)
    axes.scatter([place] * drawn.sum(), places[drawn], s=14, color=color, linewidths=0, zorder=3)


def _side(axes: Axes, start: float, end: float, name: str) -> None:
    """Draws a bracket over one side, with its name."""
    left, right = start - 0.4, end + 0.4
    axes.plot([left, left, right, right], [0.6, 0.63, 0.63, 0.6], color=INK[name], linewidth=0.8)
    axes.text((left + right) / 2, 0.66, name, ha="center", va="bottom", color=INK[name])
