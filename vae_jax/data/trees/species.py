"""The four kinds of tree, as wood and leaves, from their factors.

Lengths are shares of the tree's height; `out` is to the right of the trunk, `up` from its foot.
Arrays are NxK, a column for each of the K parts, painted in their order. The crowns are round: their
parts stand around the trunk at a golden angle from each other, and those in front hide those behind.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vae_jax.data.trees.paint import SIDE, F, Layer, clip, cosine, mix, scatter, sine

Factors = dict[str, np.ndarray]
Lengths = np.ndarray | float  # NxK, 1xK, Nx1 or one for all


class Tree:
    """A tree's wood and leaves, and the way from shares of its height to pixels.

    Args:
      f: the factors, Nx1 each.
      wood, leaves: empty layers.
    """

    def __init__(self, f: Factors, wood: Layer, leaves: Layer):
        self.wood, self.leaves, self.sun_x = wood, leaves, wood.sun_x[:, None]
        self._height, self._lean = f["height"] * SIDE, f["lean"]
        self._foot_x = (0.5 + f["position"]) * SIDE
        self._foot_y = foot(f)

    def pixels(self, *lengths: Lengths) -> list[np.ndarray]:
        """Returns lengths in pixels, NxK."""
        return [self._height * length for length in lengths]

    def at(self, out: Lengths, up: Lengths) -> list[np.ndarray]:
        """Returns x and y of places on the tree, NxK."""
        right, above = self.pixels(out, up)
        return [self._foot_x + (right + self._lean * above), self._foot_y - above]

    def tufts(self, out: Lengths, up: Lengths, rx: Lengths, ry: Lengths, light: Lengths) -> None:
        """Paints ellipses of leaves."""
        for part in _columns(*self.at(out, up), *self.pixels(rx, ry), light):
            self.leaves.blob(*part)

    def limbs(
        self, start: Sequence[Lengths], end: Sequence[Lengths], light: Lengths, layer: Layer | None = None
    ) -> None:
        """Paints tapering lines from `start` to `end`, each (out, up, radius), of wood or on `layer`."""
        ends = [(*self.at(out, up), *self.pixels(radius)) for out, up, radius in (start, end)]
        for part in _columns(*ends[0], *ends[1], light):
            (layer or self.wood).line(part[:3], part[3:6], part[6])

    def trunk(self, *stations: tuple[float, float]) -> None:
        """Paints a straight trunk through (up, radius)."""
        for (up0, r0), (up1, r1) in itertools.pairwise(stations):
            self.limbs((0.0, up0, r0), (0.0, up1, r1), 0.5)


def foot(f: Factors) -> np.ndarray:
    """Returns where trees stand, y in pixels: a little before the horizon."""
    return (1 - f["horizon"]) * SIDE + 2.5


def pine(f: Factors, tree: Tree) -> None:
    """A Scots pine: a bare trunk, then irregular round tufts, the narrower the higher."""
    count = 17
    share = np.arange(count, dtype=F)[None] / (count - 1)
    azimuth = scatter(count) + f["turn"]
    out, depth = cosine(azimuth) * (0.24 - 0.225 * share) * f["width"], sine(azimuth)
    up = 0.33 + 0.63 * share
    tree.trunk((0.0, 0.036), (0.95, 0.010))
    tree.limbs((0.0, up - 0.07, 0.015), (out * 0.9, up - 0.01, 0.008), 0.4)
    size = clip(1.1 * f["density"] + 0.35 - 0.65 * scatter(count, 7 / 17), 0.0, 1.1)
    radius = (0.130 - 0.075 * share) * size
    wide = radius * mix(1, f["width"], 0.6)
    light = 0.44 + 0.14 * depth + 0.6 * out * tree.sun_x
    tree.tufts(*_behind_first(depth, out, up, wide, radius * 0.68, light))


def fir(f: Factors, tree: Tree) -> None:
    """A Douglas fir: a dense narrow cone of drooping tiers, nearly to the ground."""
    count = 8
    share = np.arange(count, dtype=F)[None] / count
    tree.trunk((0.0, 0.036), (0.95, 0.010))
    bottom = 0.11 + 0.75 * share + 0.04 * (1 - f["density"])
    top = bottom + (0.08 + 0.24 * f["density"]) * (1 - 0.4 * share)
    top[:, -1] = 1
    swing = 0.20 * cosine(scatter(count) + f["turn"])
    wide = (0.255 - 0.19 * share) * f["width"]
    (x, low), (_, high) = tree.at(0.0, bottom), tree.at(0.0, top)
    left, right = tree.pixels(wide * (1 - swing), wide * (1 + swing))
    for part in _columns(x, high, low, left, right, 0.26):
        tree.leaves.skirt(*part)


def palm(f: Factors, tree: Tree) -> None:
    """A slender bent trunk under a crown of arching fronds."""
    head, steps = 0.74, np.arange(6, dtype=F)[None] / 5
    bend = 0.24 * cosine(f["turn"]) * steps * (1 - steps)
    trunk = (bend, head * steps, 0.034 - 0.014 * steps)
    tree.limbs([x[:, :-1] for x in trunk], [x[:, 1:] for x in trunk], 0.5)
    count = 13
    azimuth = scatter(count, 0.7549) + f["turn"]
    size = clip(12 * f["density"] + 1.6 - np.arange(count, dtype=F))
    rise = np.broadcast_to(0.10 + 0.32 * scatter(count, 0.5698), size.shape)
    fronds = _behind_first(sine(azimuth), sine(azimuth), cosine(azimuth), rise, size)
    depth, side, rise, size = (x[:, :, None] for x in fronds)
    s = np.array([0.0, 0.35, 0.7, 1.0], F)  # along a frond
    out = 0.40 * size * side * f["width"][:, :, None] * s * (1 - 0.12 * s)
    up = head + size * (1.5 * rise * s - 0.44 * s * s) - 0.05 * depth * s
    fullness = 0.020 + 0.022 * f["density"][:, :, None]
    radius = size * fullness * np.array([0.4, 1.05, 0.9, 0.25], F)
    light = 0.40 + 0.16 * depth + 0.14 * side * tree.sun_x[:, :, None] + 0.22 * s
    frond = (out, up, radius)
    start, end = ([_flat(x[:, :, part]) for x in frond] for part in (slice(0, -1), slice(1, None)))
    tree.limbs(start, end, _flat(light[:, :, 1:]), tree.leaves)


def oak(f: Factors, tree: Tree) -> None:
    """A short strong trunk, spreading boughs, a round crown whose leaves turn and fall."""
    count = 20
    level = 1 - (np.arange(count, dtype=F)[None] + 0.5) * (2 / count)  # a ball, from its top
    azimuth, ring = scatter(count) + f["turn"], np.sqrt(1 - level * level)
    out, depth = cosine(azimuth) * ring * 0.30 * f["width"], sine(azimuth) * ring
    up = np.broadcast_to(0.62 + 0.24 * level, out.shape)
    tree.trunk((0.0, 0.066), (0.36, 0.045), (0.80, 0.012))
    fork, bend, tip = (x[:, 2:-2:2] for x in (0.2 + 0.25 * up, up - 0.10, up + 0.06))
    bough = out[:, 2:-2:2]
    thick = 0.3 + 0.8 * f["density"]
    middle = (bough * 0.6, bend, 0.016 * thick)
    tree.limbs((0.0, fork, 0.026 * thick), middle, 0.42)
    tree.limbs(middle, (bough * 1.15, tip, 0.006 * thick), 0.42)
    left = 1 - 0.95 * clip((f["season"] - 2.1) / 0.7)
    size = clip(1.15 * f["density"] * left + 0.1 - 0.75 * scatter(count, 13 / 20))
    radius = 0.135 * size * clip(2.2 * size + 0.3)
    wide = radius * mix(1, f["width"], 0.7)
    light = 0.44 + 0.14 * depth + 0.5 * out * tree.sun_x + 0.5 * (up - 0.62)
    tree.tufts(*_behind_first(depth, out, up, wide, radius * 0.95, light))


DRAW: tuple[Callable[[Factors, Tree], None], ...] = (pine, fir, palm, oak)  # by label


def _columns(*arrays: Lengths) -> Iterator[tuple[np.ndarray, ...]]:
    """Returns the columns, N each, of arrays that are broadcast to NxK."""
    broadcast = np.broadcast_arrays(*(np.array(array, F) for array in arrays))
    return zip(*(array.T for array in broadcast), strict=True)


def _behind_first(depth: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """Returns NxK arrays with each tree's parts in the order from behind to the front."""
    order = np.argsort(depth, axis=1, kind="stable")
    return [np.take_along_axis(np.broadcast_to(array, order.shape), order, 1) for array in arrays]


def _flat(x: np.ndarray) -> np.ndarray:
    """N x fronds x pieces -> N x K."""
    return x.reshape(len(x), -1)
