"""The post's Fig. 3: the Gaussian density, and averages of other variables on their way to it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_jax.evaluate.kolmogorov import gaussian_density
from vae_jax.figures.style import COLORS, PAGE, curve, doubling_axis, log_ticks, style, subplots
from vae_jax.statistics import Estimate

DENSITIES = ((0.0, 1.0), (0.0, 0.5), (0.0, 2.0), (2.0, 0.7))  # μ and σ
LINES = ("-", "--", ":", "-.")


def gaussian(
    averages: Mapping[str, Mapping[int, np.ndarray]],
    counts: Sequence[int],
    distances: Mapping[str, Sequence[Estimate]],
    bounds: Mapping[str, Sequence[float]],
) -> Figure:
    """Draws the density, a panel of averages for each variable, and their distance from N(0, 1).

    Args:
      averages: variable -> number of draws -> averages of so many, standardised.
      counts: the numbers of draws of `distances` and `bounds`.
      distances: variable -> Kolmogorov's distance at each count.
      bounds: variable -> Berry and Esseen's bound at each count.
    """
    with style():
        figure, panels = subplots(2, rows=2, width=PAGE, height=4.6)
        first, *middle, last = panels
        _densities(first)
        for axes, (name, by_count) in zip(middle, averages.items(), strict=True):
            _averages(axes, name, by_count)
        for index, (name, estimates) in enumerate(distances.items()):
            curve(last, counts, estimates, name, index)
            label = None if index else "Berry–Esseen bound"
            last.plot(counts, bounds[name], ":", color=COLORS[index], label=label)
        doubling_axis(last, counts)
        last.set(yscale="log", xlabel="n, draws in an average", ylabel="Kolmogorov's distance")
        last.set_ylim(last.get_ylim()[0] / 8)  # room for the legend
        last.set_title("How far the averages are from $N(0, 1)$")
        log_ticks(last.yaxis)
        last.legend(loc="lower left")
    return figure


def _densities(axes: Axes) -> None:
    x = np.linspace(-5, 5, 401)
    for index, (mean, sigma) in enumerate(DENSITIES):
        label = f"$\\mu$ = {mean:g}, $\\sigma$ = {sigma:g}"
        axes.plot(x, gaussian_density(x, mean, sigma), LINES[index], color=COLORS[index], label=label)
    axes.set(xlabel="x", ylabel="density", title="Eq. 4 and 5: $N(\\mu, \\sigma^2)$")
    axes.legend()


def _averages(axes: Axes, name: str, by_count: Mapping[int, np.ndarray]) -> None:
    edges = np.linspace(-4, 4, 41)
    for index, (count, values) in enumerate(by_count.items(), 1):
        share, _ = np.histogram(values, edges)
        label = f"n = {count}"
        axes.stairs(share / len(values) / np.diff(edges), edges, color=COLORS[index], label=label)
    x = np.linspace(-4, 4, 401)
    axes.plot(x, gaussian_density(x, 0, 1), color=COLORS[0], label="$N(0, 1)$", zorder=0)
    axes.set(xlabel="average, less its mean, over its standard deviation", ylabel="density")
    axes.set_title(f"Averages of n draws of {name}")
    axes.legend()
