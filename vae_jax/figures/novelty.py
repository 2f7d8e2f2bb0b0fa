"""Samples of a model, each above the training image that is nearest to it."""

import numpy as np
from matplotlib.figure import Figure

from vae_jax.figures.grid import show
from vae_jax.figures.style import COLORS, PAGE, style, subplots


def novelty(
    samples_KxHxWxC: np.ndarray,
    nearest_KxHxWxC: np.ndarray,
    distances_K: np.ndarray,
    all_distances_N: np.ndarray,
    usual_distances_M: np.ndarray,
    title: str,
) -> Figure:
    """Draws the pairs, and the distribution of the distances.

    Args:
      distances_K: from each of the samples to its nearest training image, root mean square.
      all_distances_N: the same of all samples.
      usual_distances_M: the same of reconstructions of test images.
      title: names the data set.
    """
    with style():
        figure, (pictures, axes) = subplots(1, rows=2, width=PAGE, height=3.6)
        names = [f"{distance:.3f}" for distance in distances_K]
        show(
            pictures,
            np.stack([samples_KxHxWxC, nearest_KxHxWxC]),
            ["sample", "nearest\ntraining image"],
            names,
        )
        pictures.set_title(f"{title}: samples of the VAE by their distance to the nearest training image")
        edges = np.linspace(0, max(all_distances_N.max(), usual_distances_M.max()) * 1.02, 31)
        drawn = {"samples of the VAE": all_distances_N, "reconstructions of test images": usual_distances_M}
        for index, (name, values) in enumerate(drawn.items()):
            share, _ = np.histogram(values, edges)
            line = ("-", "--")[index]
            axes.stairs(share / len(values), edges, color=COLORS[index], linestyle=line, label=name)
        axes.axvline(0, color="0.45", linewidth=0.8)
        axes.annotate(
            "a copy",
            (0, 0.5),
            (3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=7,
        )
        axes.set(xlabel="distance to the nearest training image (root mean square per pixel)", ylabel="share")
        axes.legend()
    return figure
