"""Which latent dimensions are used: histogram of log-activity, and KL per dimension."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from vae_jax.evaluate.active_units import THRESHOLD
from vae_jax.figures.style import COLORS, PAGE, curve, style, subplots
from vae_jax.statistics import Estimate


def dimensions(activity_SxZ: np.ndarray, kl_Z: Sequence[Estimate], title: str) -> Figure:
    """Draws the two measures of a code's dimensions.

    Args:
      activity_SxZ: A_u = Var_x(E_q[u]) of every dimension u of every seed (Burda et al. 2016, App. C).
      kl_Z: KL of the dimensions, nats, over seeds, each seed's largest first.
      title: names the data set.
    """
    seeds, size = activity_SxZ.shape
    with style():
        figure, (left, right) = subplots(2, width=PAGE, height=2.3)
        logs = np.log10(np.maximum(activity_SxZ, 1e-10))
        low, high = np.floor(2 * logs.min()) / 2, np.ceil(2 * logs.max()) / 2
        bins = np.arange(low, max(high, low + 0.5) + 0.25, 0.25)  # -2, the threshold, is an edge
        weights = np.full(logs.size, 1 / seeds)
        left.hist(logs.ravel(), bins, weights=weights, color=COLORS[1], edgecolor="white", linewidth=0.5)
        left.axvline(np.log10(THRESHOLD), color=COLORS[2], linestyle="--", label=f"threshold {THRESHOLD:g}")
        left.set(xlabel="log₁₀ of activity, Var of the mean code", ylabel=f"dimensions of {size}")
        left.set_title("activity")
        curve(right, range(1, size + 1), kl_Z, None, index=1)
        right.lines[0].set_markersize(2)
        active = (activity_SxZ > THRESHOLD).sum(1)
        told = f"above {THRESHOLD:g}, by seed: {active.min()} to {active.max()} dimensions"
        right.axvspan(active.min(), active.max(), color=COLORS[2], alpha=0.15, label=told)
        right.legend()
        right.set_ylim(bottom=0)
        right.set(xlabel="latent dimension, largest KL first", ylabel="KL(q(z|x)‖p(z)), nats")
        right.set_title("KL per dimension")
        left.legend()
        told = f"{title}, test: means over {seeds} seeds, on the right with their 95% interval"
        figure.suptitle(told, fontsize=8)
    return figure
