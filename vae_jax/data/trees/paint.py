"""Anti-aliased shapes on a batch of small canvases, to the same bits on every machine.

Only operations that IEEE 754 rounds exactly are used, value by value: + - * /, square root, rounding
down, comparisons. No sine, power, sum or matrix product: their last digit depends on the processor.

N canvases of SIDE x SIDE pixels, float32; x to the right, y down, in pixels. A shape covers a pixel by
how far inside of its edge the pixel's middle lies: 0 half a pixel outside, 1 half a pixel inside.
"""

import numpy as np

SIDE = 32
F = np.float32  # of every array; Python's numbers adapt to it
X = (np.arange(SIDE, dtype=F) + 0.5)[None, None, :]
Y = (np.arange(SIDE, dtype=F) + 0.5)[None, :, None]


def clip(x: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return np.minimum(np.maximum(x, low), high)


def mix(a: np.ndarray | float, b: np.ndarray | float, share: np.ndarray | float) -> np.ndarray:
    """Returns a where the share is 0 and b where it is 1."""
    return a + (b - a) * share


def sine(turns: np.ndarray) -> np.ndarray:
    """Returns about sin(2π·turns), within 0.0011: a parabola, and once its square."""
    x = turns - np.floor(turns + 0.5)
    y = 8 * x - 16 * x * np.abs(x)
    return 0.775 * y + 0.225 * y * np.abs(y)


def cosine(turns: np.ndarray) -> np.ndarray:
    return sine(turns + 0.25)


def scatter(count: int, step: float = 0.618034) -> np.ndarray:
    """Returns `count` shares that lie evenly and look random: the fractions of k times `step`."""
    steps = np.arange(count, dtype=F) * step
    return steps - np.floor(steps)


class Layer:
    """Leaves or wood, NxSIDExSIDE each.

    Attributes:
      cover: the share of a pixel that is covered.
      light: of what covers it: from 0, in the shade, to 1, in the sun.
      snow: of what covers it: the share that snow would lie on.
      sun_x, sun_y: N, the direction towards the sun; its length is how strong it is.
    """

    def __init__(self, sun_x: np.ndarray, sun_y: np.ndarray):
        self.sun_x, self.sun_y = sun_x, sun_y
        self.cover, self.light, self.snow = np.zeros((3, len(sun_x), SIDE, SIDE), F)

    def blob(self, x: np.ndarray, y: np.ndarray, rx: np.ndarray, ry: np.ndarray, light: np.ndarray) -> None:
        """Paints an ellipse that fades away as it gets smaller than a pixel; arguments N."""
        rx, ry = np.maximum(rx, 0.05), np.maximum(ry, 0.05)
        window = _window(x - rx, x + rx, y - ry, y + ry)
        dx, dy = (X[:, :, window[2]] - _n(x)) / _n(rx), (Y[:, window[1]] - _n(y)) / _n(ry)
        least = np.minimum(rx, ry)
        inside = (1 - np.sqrt(dx * dx + dy * dy)) * _n(least) + 0.5
        shade = (_n(light) + dx * _n(0.22 * self.sun_x)) + dy * _n(0.22 * self.sun_y)
        self._paint(window, clip(inside) * _n(clip(least)), shade, clip(-0.9 * dy))

    def line(
        self,
        start: tuple[np.ndarray, np.ndarray, np.ndarray],
        end: tuple[np.ndarray, np.ndarray, np.ndarray],
        light: np.ndarray,
    ) -> None:
        """Paints a tapering line with round ends, each (x, y, radius); arguments N."""
        (x0, y0, r0), (x1, y1, r1) = start, end
        ux, uy, wide = x1 - x0, y1 - y0, np.maximum(r0, r1)
        window = _window(
            np.minimum(x0, x1) - wide,
            np.maximum(x0, x1) + wide,
            np.minimum(y0, y1) - wide,
            np.maximum(y0, y1) + wide,
        )
        px, py = X[:, :, window[2]] - _n(x0), Y[:, window[1]] - _n(y0)
        square = np.maximum(ux * ux + uy * uy, 1e-4)
        along = clip(px * _n(ux / square) + py * _n(uy / square))
        ex, ey = px - along * _n(ux), py - along * _n(uy)
        radius = _n(r0) + along * _n(r1 - r0)
        cover = clip(radius + 0.5 - np.sqrt(ex * ex + ey * ey)) * clip(2 * radius)
        shade = (ex * _n(0.3 * self.sun_x) + ey * _n(0.3 * self.sun_y)) / np.maximum(radius, 0.7)
        self._paint(window, cover, _n(light) + shade, clip(-1.2 * ey))

    def skirt(
        self,
        x: np.ndarray,
        top: np.ndarray,
        bottom: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        light: np.ndarray,
    ) -> None:
        """Paints a tier of a fir: from (x, top) down to `bottom`, reaching `left` and `right` of x.

        Its lower edge hangs down towards both ends; arguments N.
        """
        deep, droop = bottom - top, 0.30 * (bottom - top)
        window = _window(x - left, x + right, top - deep, bottom + droop)  # a sharp tip fades out far above
        dx, dy = X[:, :, window[2]] - _n(x), Y[:, window[1]] - _n(top)
        side = np.where(dx < 0, _n(left), _n(right))
        fall, out = np.minimum(dy * _n(1 / deep), 1), np.minimum(np.abs(dx) / side, 1)
        edge = fall * side - np.abs(dx)
        hem = _n(deep) + _n(droop) * (out * out - 0.4) - dy
        shade = _n(light) + 0.30 * fall + 0.22 * (dx / side) * _n(self.sun_x)
        lying = clip(3 * (fall - 0.45)) * clip(0.5 * hem) * (0.7 + 0.3 * out)
        self._paint(window, clip(np.minimum(0.8 * edge, hem) + 0.5), shade, lying)

    def _paint(self, window: tuple, cover: np.ndarray, light: np.ndarray, snow: np.ndarray) -> None:
        for old, new in ((self.cover, 1), (self.light, light), (self.snow, snow)):
            seen = old[window]
            seen += cover * (new - seen)


def _n(x: np.ndarray) -> np.ndarray:
    """N -> Nx1x1."""
    return x[:, None, None]


def _window(left: np.ndarray, right: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> tuple:
    """Returns the part of all canvases outside of which nothing is painted on any of them."""
    spans = ((left, right), (top, bottom))
    (x0, x1), (y0, y1) = ((int(low.min() - 1), int(high.max() + 2)) for low, high in spans)
    return slice(None), slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0))
