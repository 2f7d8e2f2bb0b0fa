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
      notes: model -> how far it is from data half way, over the same of the blend.
      title: names the data set.
    """
    blocks = {**ways, "blend of pixels": blends_PxSxHxWxC}
    pairs, steps = blends_PxSxHxWxC.shape[:2]
    columns = 2
    with style():
        image = (PAGE / columns - 0.5) / steps / 1.15  # inches
        lines = -(-pairs // columns)
        height = 0.3 + lines * (1.15 * image * len(blocks) + 0.2)
        figure, panels = subplots(columns, rows=lines, width=PAGE, height=height)
        for pair, axes in enumerate(panels[:pairs]):
            rows = np.stack([images[pair] for images in blocks.values()])
            show(axes, rows, [] if pair % columns else list(blocks))
        for unused in panels[pairs:]:
            unused.remove()
        told = ", ".join(f"{name} {note}" for name, note in notes.items())
        figure.suptitle(
            f"{title}, test. Half way, distance from data over that of the blend: {told}", fontsize=7
        )
    return figure
