"""The rate-distortion plane of a β sweep (Alemi et al. 2018, "Fixing a Broken ELBO")."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, COLUMN, style, subplots
from vae_jax.statistics import Estimate


def rate_distortion(
    betas: Sequence[float],
    rates: Sequence[Estimate],
    distortions: Sequence[Estimate],
    without_code: float,
    title: str,
) -> Figure:
    """Draws distortion against rate, and the line on which the ELBO is that of β = 1.

    Args:
      betas: weights of the KL term, 1.0 among them.
      rates: KL(q(z|x)‖p(z)) at each β, nats per image.
      distortions: E_q[-log p(x|z)] at each β, nats per image.
      without_code: distortion of the best model of no rate, in which pixels are independent.
      title: names the data set.
    """
    with style():
        figure, (axes,) = subplots(1, width=COLUMN, height=2.8)
        x, y = ([e.mean for e in estimates] for estimates in (rates, distortions))
        spread = [[e.half_width for e in estimates] for estimates in (distortions, rates)]
        axes.errorbar(x, y, *spread, fmt="o-", color=COLORS[1], capsize=2, label="β sweep, 95% interval")
        for beta, *place in zip(betas, x, y, strict=True):
            axes.annotate(f"β = {beta:g}", place, (5, 4), textcoords="offset points", fontsize=7)
        axes.plot(0, without_code, "s", color=COLORS[2], clip_on=False, label="no code: independent pixels")
        total, reach = (values[betas.index(1.0)] for values in (np.add(x, y), [1.25 * max(x)] * len(x)))
        line = np.array([0, min(total, reach)])
        axes.plot(line, total - line, "--", color="0.45", label=f"−ELBO of β = 1: {total:.1f} nats")
        axes.set(xlim=(0, reach), ylim=(0, 1.1 * max(without_code, total, *y)))
        axes.set(xlabel="rate: KL(q(z|x)‖p(z)), nats per image", title=f"{title}, test")
        axes.set_ylabel("distortion: −log p(x|z), nats per image")
        axes.legend()
    return figure
