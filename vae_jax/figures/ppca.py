"""A linear VAE beside probabilistic PCA's closed form (Lucas et al. 2019)."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, PAGE, curve, doubling_axis, style, subplots
from vae_jax.statistics import Estimate


class Reached(NamedTuple):
    """What was measured at each place, and what the closed form says there."""

    places: Sequence[float]
    measured: Sequence[Estimate]
    known: Sequence[float]


def ppca(elbos: Reached, gaps: Reached, active: Reached, close: float, title: str) -> Figure:
    """Draws the ELBO at each latent size; at each fixed σ² what it lacks, and the active dimensions.

    Args:
      elbos: of the trained VAE at each latent size, on the images that it was trained on, and the greatest
        log p(x) of probabilistic PCA on the same images; nats per image.
      gaps: how far the ELBO is below the maximum at each fixed σ², and how far a model is in which every
        dimension has collapsed.
      active: dimensions in use at each fixed σ², and eigenvalues above it.
      close: the gap that is claimed.
      title: names the data set.
    """
    with style():
        figure, (left, middle, right) = subplots(3, width=PAGE, height=2.5)
        _known(left, elbos, "pPCA, maximum of log p(x)")
        curve(left, elbos.places, elbos.measured, "linear VAE, ELBO", index=1)
        left.set(xlabel="latent size q", ylabel="nats per image", title="learned σ²")
        left.set_xticks(elbos.places)
        _known(middle, gaps, "all dimensions collapsed")
        curve(middle, gaps.places, gaps.measured, "linear VAE", index=1)
        middle.axhline(close, color=COLORS[0], linestyle=":", label=f"claimed: at most {close:g}")
        middle.set_yscale("log")
        middle.set(xlabel="fixed σ²", ylabel="nats per image", title="fixed σ²: maximum − ELBO")
        _known(right, active, "pPCA: eigenvalues above σ²")
        curve(right, active.places, active.measured, "linear VAE: active", index=1)
        right.set(xlabel="fixed σ²", ylabel="dimensions", title="fixed σ²: dimensions in use")
        highest = max([*active.known, *(each.high for each in active.measured if each.count > 1)])
        right.set_ylim(0, 1.4 * highest)  # room for the legend, as below
        middle.set_ylim(close / 30, 100 * max(gaps.known))
        doubling_axis(middle, gaps.places)
        doubling_axis(right, active.places)
        seeds = elbos.measured[0].count
        figure.suptitle(f"{title}, train; mean and 95% interval over {seeds} seeds", fontsize=8)
        left.legend(loc="lower right")
        middle.legend(loc="upper right")
        right.legend(loc="upper right")
    return figure


def _known(axes: Axes, reached: Reached, label: str) -> None:
    line = {"color": COLORS[2], "linestyle": "--", "marker": "x"}
    axes.plot(reached.places, reached.known, label=label, zorder=3, **line)
