"""The linear autoencoder beside principal component analysis."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from vae_jax.figures.grid import show
from vae_jax.figures.style import PAGE, curve, doubling_axis, log_ticks, style, subplots
from vae_jax.statistics import Estimate


def linear_pca(
    sizes: Sequence[int],
    errors: Sequence[Estimate],
    floors: Sequence[float],
    angles: Mapping[str, Sequence[Estimate]],
    axes_pictures: Mapping[str, np.ndarray],
    title: str,
) -> Figure:
    """Draws errors on their floor, the largest principal angles, and some axes as images.

    Args:
      sizes: latent sizes.
      errors: MSE per pixel on train at each size.
      floors: the sum of the discarded eigenvalues, per pixel, at each size.
      angles: name -> the largest principal angle at each size, degrees.
      axes_pictures: name -> KxHxWxC, vectors of length 1.
      title: names the data set.
    """
    with style():
        figure, (error_axes, angle_axes, pictures) = subplots(3, width=PAGE, height=2.5)
        error_axes.plot(sizes, floors, "x--", color="0.45", label="discarded eigenvalues", markersize=7)
        curve(error_axes, sizes, errors, "linear autoencoder")
        error_axes.set(yscale="log", ylabel="mean squared error per pixel", title=f"{title}, train")
        log_ticks(error_axes.yaxis)
        error_axes.legend(loc="lower left")
        for index, (name, estimates) in enumerate(angles.items()):
            curve(angle_axes, sizes, estimates, name, index)
        angle_axes.legend()
        angle_axes.set(ylabel="degrees", title="largest principal angle")
        angle_axes.set_ylim(bottom=-0.04 * angle_axes.get_ylim()[1])  # a marker at 0 is drawn whole
        for axes in (error_axes, angle_axes):
            doubling_axis(axes, sizes)
            axes.set_xlabel("latent size")
        largest = max(np.abs(rows).max() for rows in axes_pictures.values())
        stacked = np.stack(list(axes_pictures.values())) / (2 * largest) + 0.5  # grey is 0
        show(pictures, stacked, [name.replace(" ", "\n", 1) for name in axes_pictures])
        pictures.set_title("each as an image, grey is 0")
    return figure
