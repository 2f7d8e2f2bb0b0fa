"""Why a Gaussian? The post's Eq. 4 and 5, its Fig. 3, and the theorem in its footnote.

The post: "if we take many observations of a random variable and average them together, the
distribution of the average will converge on a normal distribution as we take more and more
samples". So: the density of N(μ, σ²), and averages of n draws of two variables that are nothing
like it: the exponential, and the pixels of the data set's images, a good part of which are empty.
How far an average, less its mean and over its standard deviation, is from N(0, 1) is Kolmogorov's
distance: the largest difference between the two distribution functions. Berry and Esseen bound it
by 0.4748 E|x - μ|³ / (σ³ √n). No model is trained.

Claims, over seeds of 200,000 averages each, for n from 1 to 64:
- averages of both converge: of 64 draws, they are at most a quarter as far as a single draw;
- those of the exponential as n^(-1/2) (slope of the logarithms from n = 4 on, within 0.05);
- and none is farther than the bound.

Pixels take few values, many of them 0: the distance falls faster while the atoms are spread, and
is no line in the logarithms, so that no slope is claimed of them.

    python -m experiments.gaussian --workdir=results
    python -m experiments.gaussian --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from vae_jax import data
from vae_jax.evaluate.kolmogorov import (
    EXPONENTIAL,
    Variable,
    kolmogorov_distance,
    one_of,
    rate,
    standardized_means,
)
from vae_jax.figures.gaussian import gaussian
from vae_jax.results import Row
from vae_jax.statistics import estimate

COUNTS = (1, 2, 4, 8, 16, 32, 64)
FITTED = COUNTS.index(4)  # before it, terms of higher order than n^(-1/2) matter as well
SHOWN = (1, 4, 64)  # whose averages are drawn
AVERAGES = 200_000  # by chance alone, so many are 0.002 from what they come from


def configs(dataset: str) -> list[ConfigDict]:
    """No runs: nothing is trained."""
    return []


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    pixels = one_of(images.train.images[:10_000].ravel() / images.source.max_value)
    variables = {"the exponential": EXPONENTIAL, f"pixels of {dataset}": pixels}
    distances = {name: _distances(variable) for name, variable in variables.items()}
    shown = {
        name: {n: standardized_means(variable, n, AVERAGES, np.random.default_rng(0)) for n in SHOWN}
        for name, variable in variables.items()
    }
    estimates = {name: [estimate(seeds) for seeds in values] for name, values in distances.items()}
    bounds = {name: [variable.bound(n) for n in COUNTS] for name, variable in variables.items()}
    figure = gaussian(shown, COUNTS, estimates, bounds)
    slopes = [rate(COUNTS[FITTED:], seed[FITTED:]) for seed in distances["the exponential"].T]
    claims = [claim for name in variables for claim in _claims(name, distances[name], bounds[name])]
    return Report({"gaussian": figure}, [_rate_claim(slopes), *claims])


def _distances(variable: Variable) -> np.ndarray:
    """Returns the distance of averages from N(0, 1): a row for each count, a column for each seed."""
    rngs = [np.random.default_rng(overrides["seed"]) for overrides in sweep_seed()]
    return np.array(
        [
            [kolmogorov_distance(standardized_means(variable, n, AVERAGES, rng)) for rng in rngs]
            for n in COUNTS
        ]
    )


def _rate_claim(slopes: Sequence[float]) -> Claim:
    return Claim(
        "averages of the exponential converge as n^(-1/2) (how far the slope is from -1/2)",
        estimate([abs(slope + 0.5) for slope in slopes]),
        at_most=0.05,
    )


def _claims(name: str, distances: np.ndarray, bounds: Sequence[float]) -> list[Claim]:
    return [
        Claim(
            f"averages of {name} converge: {COUNTS[-1]} draws against one (distance / distance)",
            estimate(distances[-1] / distances[0]),
            at_most=0.25,
        ),
        Claim(
            f"averages of {name} keep Berry and Esseen's bound (distance / bound, the largest)",
            estimate((distances / np.array(bounds)[:, None]).max(0)),
            at_most=1.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
