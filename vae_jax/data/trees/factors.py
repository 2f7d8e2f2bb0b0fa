"""The ground truth of `trees`: what an image is drawn from, and nothing else.

All factors are drawn independently and uniformly between their two ends (species: each of the four
equally often in expectation), so that measures of disentanglement may take them for independent.

    factor       unit                      from    to    what it changes
    species      label                        0     3    pine, Douglas fir, palm, oak
    height       share of the image        0.50  0.78    from the foot of the tree to its top
    width        ratio                     0.75  1.25    crown, to what is usual for species and height
    lean         ratio                    -0.20  0.20    how far the top lies to the right, to the height
    density      share                      0.4   1.0    of a full crown's tufts, tiers, fronds or leaves
    turn         turns                        0   0.5    of the tree about its own trunk
    hue          ratio                       -1     1    of leaves, a little of bark: yellowish to bluish
    position     share of the image       -0.14  0.14    of the foot, right of the middle
    horizon      share of the image        0.16  0.30    height of the ground line
    season       seasons since spring         0     3    1 summer, 2 autumn, 3 winter
    hour         hours                        6    20    the sun goes from left to right
    cloud        share                        0     1    clouds, greyer sky, softer light and shadow
"""

from typing import NamedTuple

import numpy as np

CLASSES = ("pine", "Douglas fir", "palm", "oak")


class Range(NamedTuple):
    """A factor is uniform between `low` and `high`."""

    low: float
    high: float


RANGES = {
    "height": Range(0.55, 0.78),
    "width": Range(0.75, 1.25),
    "lean": Range(-0.20, 0.20),
    "density": Range(0.4, 1.0),
    "turn": Range(0.0, 0.5),
    "hue": Range(-1.0, 1.0),
    "position": Range(-0.14, 0.14),
    "horizon": Range(0.16, 0.30),
    "season": Range(0.0, 3.0),
    "hour": Range(6.0, 20.0),
    "cloud": Range(0.0, 1.0),
}
FACTORS = ("species", *RANGES)


def sample(count: int, seed: int) -> np.ndarray:
    """Returns factors float32 Nx12, a column for each of FACTORS.

    RandomState's stream is frozen by NumPy's compatibility policy.
    """
    uniform = np.random.RandomState(seed).random_sample((count, len(FACTORS)))
    low, high = np.array([(0.0, len(CLASSES)), *RANGES.values()]).T
    factors = low + (high - low) * uniform
    factors[:, 0] = np.floor(factors[:, 0])
    return factors.astype(np.float32)
