"""The post's Fig. 2: a two-dimensional latent space, every test image a dot, coloured by class."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_jax.figures.style import CLASS_COLORS, PAGE, style, subplots

TITLE = 56  # letters that go into a line over a panel
NAME = np.array([0.16, 0.05])  # width and height of a class's name, in panels


def latent_map(
    maps: Mapping[str, np.ndarray], labels_N: np.ndarray, classes: Sequence[str], notes: Mapping[str, str]
) -> Figure:
    """Draws one panel per model.

    Args:
      maps: model -> codes, Nx2.
      labels_N: the class of each code.
      classes: the name of each class.
      notes: model -> what stands under its name: purity, nearest pairs.
    """
    with style():
        figure, panels = subplots(len(maps), width=PAGE, height=3.9)
        for axes, (name, codes) in zip(panels, maps.items(), strict=True):
            _scatter(axes, codes, labels_N, classes)
            axes.set(xlabel="latent dimension 1", ylabel="latent dimension 2")
            axes.set_title(
                "\n".join(textwrap.fill(line, TITLE) for line in [name, *notes[name].splitlines()])
            )
    return figure


def _scatter(axes: Axes, codes: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    colors = np.array(CLASS_COLORS)[labels % len(CLASS_COLORS)]
    size = float(np.clip(6000 / len(codes), 1.5, 14))
    order = np.random.RandomState(0).permutation(len(codes))  # no class hides all the others
    axes.scatter(*codes[order].T, c=colors[order], s=size, linewidths=0, alpha=0.7, rasterized=True)
    low, high = np.quantile(codes, [0.002, 0.998], axis=0)  # a few far codes would squeeze the rest
    margin = 0.06 * (high - low)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    outline = [patheffects.withStroke(linewidth=2.0, foreground="white")]
    kind = {"ha": "center", "va": "center", "weight": "bold", "path_effects": outline}
    for name, place in zip(classes, _homes(codes, labels, len(classes)), strict=True):
        axes.text(*place, name, fontsize=8, clip_on=True, **kind)


def _homes(codes: np.ndarray, labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """Returns a code of each class for its name to stand on: where it is most among itself.

    The middle of a class can lie in a gap, or where another class covers it.
    """
    from sklearn.neighbors import NearestNeighbors  # 0.9 s: only where it is needed

    found = NearestNeighbors(n_neighbors=max(len(codes) // 100, 5)).fit(codes).kneighbors(codes)[1]
    share = (labels[found] == labels[:, None]).mean(1)
    homes: list[np.ndarray] = []
    for members in (np.flatnonzero(labels == index) for index in range(classes)):
        away = np.linalg.norm(codes[members] - np.median(codes[members], axis=0), axis=1)
        among_itself = share[members] >= 0.9 * share[members].max()
        free = _free(codes[members], homes, NAME * np.ptp(codes, axis=0))
        fits = next(some for some in (among_itself & free, free, among_itself) if some.any())
        homes.append(codes[members[np.where(fits, away, np.inf).argmin()]])
    return homes


def _free(places_NxD: np.ndarray, taken: Sequence[np.ndarray], size_D: np.ndarray) -> np.ndarray:
    """Returns which places a name can stand on without covering one that stands on a taken place."""
    apart = [(np.abs(places_NxD - other) > size_D).any(1) for other in taken]
    return np.all([np.ones(len(places_NxD), bool), *apart], axis=0)
