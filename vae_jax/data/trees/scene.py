"""Factors -> images: sky, land and light, with a tree in them.

Canvases are float32 3xNx32x32 in [0, 1], factors Nx1x1 each, colours 3xNx1x1.
"""

import numpy as np

from vae_jax.data.trees.factors import FACTORS
from vae_jax.data.trees.paint import SIDE, F, Layer, X, Y, clip, cosine, mix, sine
from vae_jax.data.trees.species import DRAW, Factors, Tree, foot

Color = tuple[float, float, float]

TOGETHER = 32  # images; as many as a processor's nearest memory holds

# Colours by the hour, and by the season: spring, summer, autumn, winter.
HOURS = (6.0, 9.0, 13.0, 17.0, 20.0)
ZENITH = ((0.40, 0.44, 0.68), (0.36, 0.61, 0.90), (0.27, 0.56, 0.92), (0.40, 0.58, 0.84), (0.27, 0.24, 0.50))
HORIZON = ((0.99, 0.74, 0.66), (0.84, 0.92, 0.96), (0.76, 0.90, 0.98), (0.98, 0.87, 0.66), (0.97, 0.52, 0.38))
LIGHT = ((0.92, 0.76, 0.76), (1.00, 0.97, 0.90), (1.02, 1.02, 0.98), (1.06, 0.96, 0.78), (0.80, 0.62, 0.62))
SEASONS = (0.0, 1.0, 2.0, 3.0)
GROUND = ((0.50, 0.70, 0.32), (0.54, 0.65, 0.30), (0.70, 0.57, 0.31), (0.88, 0.92, 0.98))
EVERGREEN = ((0.24, 0.46, 0.24), (0.18, 0.40, 0.23), (0.20, 0.38, 0.21), (0.18, 0.35, 0.26))
PALM = ((0.34, 0.57, 0.25), (0.28, 0.51, 0.23), (0.36, 0.49, 0.22), (0.28, 0.43, 0.25))
OAK = ((0.48, 0.68, 0.27), (0.26, 0.50, 0.21), (0.82, 0.44, 0.16), (0.58, 0.34, 0.17))
LEAVES = (EVERGREEN, EVERGREEN, PALM, OAK)
WOOD = ((0.50, 0.33, 0.22), (0.42, 0.30, 0.22), (0.54, 0.42, 0.30), (0.40, 0.30, 0.23))
HUE = (-0.07, -0.01, 0.08)
SNOW, SUN, GLOW = (0.93, 0.95, 1.00), (1.00, 0.97, 0.85), (1.00, 0.90, 0.70)
CLOUDS = ((5, 6, 5.5, 1.7), (8, 4.6, 3.2, 1.9), (25, 9, 5, 1.4), (22, 8, 2.8, 1.5), (16, 2.6, 6, 1.2))


def render(factors: np.ndarray) -> np.ndarray:
    """Returns images uint8 Nx32x32x3 of factors float32 Nx12; each depends on its own row alone."""
    images = np.empty((len(factors), SIDE, SIDE, 3), np.uint8)
    species, turn = (factors[:, FACTORS.index(name)] for name in ("species", "turn"))
    order = np.lexsort((turn, species))  # trees that are alike are painted in small windows
    for kind in range(len(DRAW)):
        rows = order[species[order] == kind]
        for some in np.split(rows, range(TOGETHER, len(rows), TOGETHER)) if len(rows) else ():
            f = {name: column[:, None, None] for name, column in zip(FACTORS, factors[some].T, strict=True)}
            images[some] = np.moveaxis(_quantise(_draw(f, kind)), 0, -1)
    return images


def _quantise(canvas: np.ndarray) -> np.ndarray:
    return np.floor(clip(canvas) * 255 + 0.5).astype(np.uint8)


def _draw(f: Factors, kind: int) -> np.ndarray:
    day = (f["hour"] - 13) / 7  # -1 in the morning, 1 in the evening
    high = 1 - day * day
    horizon = (1 - f["horizon"]) * SIDE
    light = mix(_tone(f["hour"], HOURS, LIGHT), 0.86, 0.35 * f["cloud"])
    canvas = _sky(f, day, high, horizon)
    _land(canvas, f, day, high, horizon, light)
    wood, leaves = _tree(f, kind, day, high)
    snow = clip((f["season"] - 2.2) * 1.4)
    hue = _rgb(HUE) * f["hue"]
    green = _tone(f["season"], SEASONS, LEAVES[kind]) + hue
    for layer, own in ((wood, _rgb(WOOD[kind]) + 0.4 * hue), (leaves, green)):
        shade = clip(layer.light, 0.05, 1.1)
        color = own * (0.45 + 1.15 * shade)
        white = _rgb(SNOW) * (0.72 + 0.3 * shade)
        _cover(canvas, layer.cover, mix(color, white, layer.snow * snow) * light)
    return canvas


def _tree(f: Factors, kind: int, day: np.ndarray, high: np.ndarray) -> tuple[Layer, Layer]:
    up = 0.35 + 0.5 * high
    strength = (1 - 0.45 * f["cloud"]) / np.sqrt(day * day + up * up)
    sun = ((day * strength)[:, 0, 0], (-up * strength)[:, 0, 0])
    wood, leaves = Layer(*sun), Layer(*sun)
    flat = {name: column[:, :, 0] for name, column in f.items()}
    DRAW[kind](flat, Tree(flat, wood, leaves))
    return wood, leaves


def _sky(f: Factors, day: np.ndarray, high: np.ndarray, horizon: np.ndarray) -> np.ndarray:
    down = clip(Y / horizon)
    grey, cloud = 0.62 + 0.16 * high, f["cloud"]
    top = mix(_tone(f["hour"], HOURS, ZENITH), grey, 0.6 * cloud)
    low = mix(_tone(f["hour"], HOURS, HORIZON), grey + 0.1, 0.6 * cloud)
    canvas = mix(top, low, down * (0.4 + 0.6 * down)) + np.zeros_like(X)
    dx, dy = X - (0.5 + 0.42 * day) * SIDE, Y - (horizon - 4 - 16 * high)
    square = dx * dx + dy * dy
    _cover(canvas, 0.5 * (1 - cloud) / (1 + 0.03 * square), _rgb(GLOW))
    _cover(canvas, clip(2.6 - np.sqrt(square)) * (1 - 0.8 * cloud), _rgb(SUN))
    white, drift = mix(0.98, low, 0.35), (f["hour"] - 13) * 0.9
    for x, y, rx, ry in CLOUDS:
        dx, dy = (X - (x + drift)) * (1 / rx), (Y - y) * (1 / ry)
        inside = clip((1 - np.sqrt(dx * dx + dy * dy)) * 1.6)
        _cover(canvas, inside * (0.75 * clip(1.5 * cloud)), white * (0.95 - 0.07 * dy))
    return canvas


def _land(
    canvas: np.ndarray, f: Factors, day: np.ndarray, high: np.ndarray, horizon: np.ndarray, light: np.ndarray
) -> None:
    ground = _tone(f["season"], SEASONS, GROUND) * light
    haze = _tone(f["hour"], HOURS, HORIZON)
    ridge = horizon - 2.6 + 1.8 * sine(X * 0.031 + 0.1) + 0.9 * cosine(X * 0.083)
    _cover(canvas, clip(Y - ridge + 0.5), mix(ground * _rgb((0.62, 0.74, 0.80)), haze, 0.45))
    size = f["height"] * f["width"]
    length = 1.5 + (3.3 + 6.7 * (1 - high)) * size
    away = X - (0.5 + f["position"]) * SIDE + day * 7 * f["height"]
    dx, dy = away / length, (Y - foot(f)) * (1 / 1.5)
    shadow = clip((1.05 - np.sqrt(dx * dx + dy * dy)) * 1.8) * (0.45 * (1 - 0.75 * f["cloud"]))
    depth = clip((Y - horizon) * 0.11)
    meadow = ground * (1.08 - 0.28 * depth) * (1 - shadow * _rgb((1.0, 0.92, 0.75)))
    _cover(canvas, clip(Y - horizon + 0.5), meadow)


def _cover(canvas: np.ndarray, share: np.ndarray, color: np.ndarray) -> None:
    canvas += share * (color - canvas)


def _rgb(color: Color) -> np.ndarray:
    return np.array(color, F)[:, None, None, None]


def _tone(x: np.ndarray, keys: tuple[float, ...], colors: tuple[Color, ...]) -> np.ndarray:
    """Returns the colour at x, linear between those at the ascending keys."""
    found = _rgb(colors[0])
    for low, high, one, other in zip(keys, keys[1:], colors, colors[1:], strict=False):
        found = found + (_rgb(other) - _rgb(one)) * clip((x - low) / (high - low))
    return found
