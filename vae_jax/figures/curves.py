"""Curves of the latent-size and bottleneck-width studies."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, PAGE, cost_axis, curve, doubling_axis, log_ticks, style, subplots
from vae_jax.statistics import Estimate

Curves = Mapping[str, Sequence[Estimate]]


def latent_size(
    sizes: Sequence[int], errors: Curves, pca: Sequence[float], bounds: Curves, title: str
) -> Figure:
    """Draws test error, and the VAE's bounds, against latent size.

    Args:
      sizes: the latent sizes, shared by all curves.
      errors: model -> test MSE per pixel at each size.
      pca: test MSE per pixel of PCA with as many components.
      bounds: name -> upper bound on -log p(x), nats per image, at each size.
      title: names the data set.
    """
    with style():
        figure, (error_axes, bound_axes) = subplots(2, width=PAGE, height=2.6)
        error_axes.plot(sizes, pca, "x--", color="0.45", label="PCA, as many components")
        for index, (name, estimates) in enumerate(errors.items()):
            curve(error_axes, sizes, estimates, name, index)
        error_axes.set(yscale="log", ylabel="mean squared error per pixel", title=f"{title}, test")
        log_ticks(error_axes.yaxis)
        for index, (name, estimates) in enumerate(bounds.items()):
            curve(bound_axes, sizes, estimates, name, index + len(errors) - 1)
        bound_axes.set(ylabel="nats per image", title=f"{title}, test: VAE, a density (can be negative)")
        for axes in (error_axes, bound_axes):
            doubling_axis(axes, sizes)
            axes.set_xlabel("latent size (dimensions of the code)")
            axes.legend()
    return figure


def bottleneck_width(
    widths: Sequence[int], errors: Sequence[Estimate], costs: Curves, knees: Sequence[int], title: str
) -> Figure:
    """Draws test error against what the width costs, the knee marked.

    Args:
      widths: of the narrowest hidden layer.
      errors: test MSE per pixel at each width.
      costs: axis label -> cost at each width; one panel each; seconds where the label says so.
      knees: index of the knee in `widths`, of each seed; their median is marked.
      title: names the data set.
    """
    knee = sorted(knees)[len(knees) // 2]
    spread = f"{widths[min(knees)]} to {widths[max(knees)]} over seeds"
    label_knee = f"knee: {spread if min(knees) < max(knees) else 'that of every seed'}"
    with style():
        figure, panels = subplots(len(costs), width=PAGE, height=2.5)
        for axes, (label, prices) in zip(panels, costs.items(), strict=True):
            x = [price.mean for price in prices]
            curve(axes, x, errors, None)
            axes.plot(x[knee], errors[knee].mean, "*", color=COLORS[2], markersize=11, label="knee", zorder=3)
            for width, at, error in zip(widths, x, errors, strict=True):
                axes.annotate(str(width), (at, error.mean), (3, 5), textcoords="offset points", fontsize=6)
            axes.set_xlabel(label)
            axes.margins(x=0.12)
            cost_axis(axes, "s" if "seconds" in label else "")
        panels[0].set_ylabel("mean squared error per pixel")
        panels[0].set_title(f"{title}, test: at each point its width")
        panels[-1].set_title(label_knee)
        panels[0].legend(loc="upper right")
    return figure


def knee(costs: Sequence[float], errors: Sequence[float]) -> int:
    """Returns the index where error against log cost bends most: the point farthest below the
    straight line between the two ends (Satopää et al. 2011, "Kneedle")."""
    x, y = np.log(np.asarray(costs, float)), np.asarray(errors, float)
    chord = y[0] + (y[-1] - y[0]) * (x - x[0]) / (x[-1] - x[0])
    return int(np.argmax(chord - y))
