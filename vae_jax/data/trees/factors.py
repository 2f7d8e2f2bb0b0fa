"""The ground truth of `trees`: what an image is drawn from, and nothing else.

All factors are drawn independently and uniformly between their two ends (species: each of the four
equally often in expectation), so that measures of disentanglement may take them for independent.
"""

from typing import NamedTuple

import numpy as np

CLASSES = ("pine", "Douglas fir", "palm", "oak")


class Range(NamedTuple):
    """A factor is uniform between `low` and `high`."""

    low: float
    high: float
    unit: str


RANGES = {
    # From the foot of the tree to its top.
    "height": Range(0.55, 0.78, "share of the image"),
    # The crown's, to what is usual for the species and height.
    "width": Range(0.75, 1.25, "ratio"),
    # How far the top lies to the right of the foot, to the height.
    "lean": Range(-0.20, 0.20, "ratio"),
    # Of a full crown's tufts, tiers, fronds or leaves.
    "density": Range(0.4, 1.0, "share"),
    # Of the tree about its trunk: half a turn shows the other side, and no two shares are the same.
    "turn": Range(0.0, 0.5, "turns"),
    # Of leaves, and a little of bark: from yellowish to bluish.
    "hue": Range(-1.0, 1.0, "ratio"),
    # Of the foot, to the right of the middle.
    "position": Range(-0.14, 0.14, "share of the image"),
    # Height of the ground line.
    "horizon": Range(0.16, 0.30, "share of the image"),
    # 0 spring, 1 summer, 2 autumn, 3 winter: land, leaves that turn and fall, snow.
    "season": Range(0.0, 3.0, "seasons since spring"),
    # The sun goes from left to right: colours of sky and light, lit sides, shadow.
    "hour": Range(6.0, 20.0, "hours"),
    # Clouds, a greyer sky, softer light and shadow.
    "cloud": Range(0.0, 1.0, "share"),
}
FACTORS = ("species", *RANGES)


def sample(count: int, seed: int) -> np.ndarray:
    """Returns factors float32 Nx12, a column for each of FACTORS.

    RandomState's stream is frozen by NumPy's compatibility policy.
    """
    uniform = np.random.RandomState(seed).random_sample((count, len(FACTORS)))
    low, high = np.array([(0.0, len(CLASSES)), *((low, high) for low, high, _ in RANGES.values())]).T
    factors = low + (high - low) * uniform
    factors[:, 0] = np.floor(factors[:, 0])
    return factors.astype(np.float32)
