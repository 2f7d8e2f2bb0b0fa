"""Posterior means during training, the model's against the encoder's (He et al. 2019, Fig. 1 and 3)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_jax.figures.style import PAGE, class_colors, curve, style, subplots
from vae_jax.statistics import Estimate


class Trajectory(NamedTuple):
    """A model at several moments of its training.

    Attributes:
      means: for each moment, the mean codes of N images: of p(z|x) and of q(z|x), Nx2.
      kl: mean KL(q(z|x)‖p(z)) at each moment, nats.
      information: I(x; z) at each moment, nats.
    """

    means: Sequence[np.ndarray]
    kl: Sequence[Estimate]
    information: Sequence[Estimate]


def trajectories(
    epochs: Sequence[int], models: Mapping[str, Trajectory], labels_N: np.ndarray | None, title: str
) -> Figure:
    """Draws a row for each model: a panel for each moment, then KL and information against epochs.

    Args:
      epochs: of training, at each moment.
      models: name -> its trajectory.
      labels_N: the class of each image, for its colour; None where there is none.
      title: names the data set.
    """
    columns = len(epochs) + 1
    with style():
        figure, panels = subplots(columns, len(models), width=PAGE, height=1.25 * len(models) + 0.65)
        for row, (name, model) in enumerate(models.items()):
            *scatters, curves = panels[row * columns : (row + 1) * columns]
            reach = 1.1 * max(np.abs(means).max() for means in model.means)
            for axes, epoch, means in zip(scatters, epochs, model.means, strict=True):
                _scatter(axes, means, labels_N, reach)
                axes.set_title(f"epoch {epoch}" if row == 0 else "")
                axes.label_outer()
            scatters[0].set_ylabel(f"{name}\nmean of q(z|x)")
            _curves(curves, epochs, model)
        scatters[len(scatters) // 2].set_xlabel("mean of p(z|x), the model's own posterior")
        curves.set_xlabel("epochs")
        names = curves.get_legend_handles_labels()
        figure.legend(*names, loc="outside lower right", ncols=2)
        figure.suptitle(f"{title}, test: a code of one dimension, each dot an image", fontsize=8)
    return figure


def _scatter(axes: Axes, means_Nx2: np.ndarray, labels: np.ndarray | None, reach: float) -> None:
    colors = class_colors(labels, len(means_Nx2))
    axes.plot([-reach, reach], [-reach, reach], color="0.6", linewidth=0.6, zorder=1)
    axes.scatter(*means_Nx2.T, c=colors, s=3, linewidths=0, alpha=0.8, rasterized=True)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), box_aspect=1)


def _curves(axes: Axes, epochs: Sequence[int], model: Trajectory) -> None:
    curve(axes, epochs, model.kl, "KL", index=1)
    curve(axes, epochs, model.information, "information", index=2)
    axes.set(xscale="log", ylabel="nats", box_aspect=1)
