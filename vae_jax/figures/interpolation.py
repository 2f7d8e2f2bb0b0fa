"""The way between two codes, decoded, beside a blend of the two images."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from vae_jax.figures.grid import show
from vae_jax.figures.style import PAGE, style, subplots


def interpolation(
    ways: Mapping[str, np.ndarray], blends_PxSxHxWxC: np.ndarray, notes: Mapping[str, str], title: str
) -> Figure:
    """Draws a block of rows for each pair: each model's way, then the blend.

    Args:
      ways: model -> decoded images, PxSxHxWxC: P pairs, S steps.
      blends_PxSxHxWxC: the blends of the first model's ends.
      notes: model -> what is known of its ways.
      title: names the data set.
    """
    blocks = {**ways, "blend of pixels": blends_PxSxHxWxC}
    pairs, steps = blends_PxSxHxWxC.shape[:2]
    with style():
        height = 0.7 + PAGE / pairs / (steps + 3) * len(blocks) * 1.1
        figure, panels = subplots(pairs, width=PAGE, height=height)
        for pair, axes in enumerate(panels):
            rows = np.stack([images[pair] for images in blocks.values()])
            show(axes, rows, [] if pair else list(blocks))
        figure.suptitle(f"{title}, test. " + "; ".join(notes.values()), fontsize=7)
    return figure
