"""Images in rows and columns, in one pair of axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from vae_jax.pictures import shown

GAP = 0.12  # between two images, of an image's height


def tile(images_RxKxHxWxC: np.ndarray) -> np.ndarray:
    """Returns R rows of K images as one picture with white gaps, HxWx3 in [0, 1].

    Grey images are drawn as ink on paper: 0 is white and 1 black. Colours are as they are; of images
    that have neither 1 nor 3 channels, the mean of all channels is drawn.
    """
    images = np.clip(shown(images_RxKxHxWxC), 0.0, 1.0)
    rows, columns, height, width, channels = images.shape
    images = np.repeat(1.0 - images, 3, axis=-1) if channels == 1 else images
    gap = gap_pixels(height)
    padded = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=1.0)
    picture = padded.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), 3)
    return picture[:-gap, :-gap]


def gap_pixels(height: int) -> int:
    return max(1, round(GAP * height))


def show(
    axes: Axes, images_RxKxHxWxC: np.ndarray, rows: Sequence[str] = (), columns: Sequence[str] = ()
) -> None:
    """Draws images with a name left of each row and above each column, where there are any.

    Every image has a thin frame, which shows where a white one ends.
    """
    count_rows, count_columns, height, width = images_RxKxHxWxC.shape[:4]
    picture = tile(images_RxKxHxWxC)
    axes.imshow(picture, extent=(0, picture.shape[1], picture.shape[0], 0), interpolation="nearest")
    lefts = np.arange(count_columns) * (width + gap_pixels(height))
    tops = np.arange(count_rows) * (height + gap_pixels(height))
    frames = [Rectangle((left, top), width, height) for left in lefts for top in tops]
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor="0.7", linewidth=0.3))
    axes.set_yticks(tops[: len(rows)] + height / 2, rows)
    axes.set_xticks(lefts[: len(columns)] + width / 2, columns)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    edge = 0.02 * height  # the outermost frames are drawn whole
    axes.set(xlim=(-edge, picture.shape[1] + edge), ylim=(picture.shape[0] + edge, -edge))
    axes.grid(False)
    axes.spines[:].set_visible(False)
