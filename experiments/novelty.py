"""Are samples of a VAE new, or copies of training images?

The post: "Variational autoencoders are used to generate novel outputs", such as "new images of
trees that still look like trees". So: codes drawn from the prior of a VAE with a code of 8
dimensions and decoded, each beside the training image that is nearest to it in pixels. Three
measures. Novelty: how far a sample is from its nearest training image, against the reconstruction
of a test image, which is just as smooth and no copy. Authenticity: the share of samples that are
farther from their nearest training image than that is from any other one: of new images it is about
0.5, and more only says that samples lie farther from the data. Coverage: the share of test images with
a sample nearby, nearer than their fifth nearest test image.
The runs are those of latent_size.

Claims:
- novel: the median distance is at least three quarters of that of test reconstructions;
- authentic: at least half as often as test reconstructions are;
- they look like data: they cover the test images at least half as well as reconstructions of
  other training images do.

    python -m experiments.novelty --workdir=results
    python -m experiments.novelty --dataset=mnist --workdir=results
"""

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families
from vae_jax import launch
from vae_jax.evaluate import reconstruct
from vae_jax.evaluate.decoded import decoded
from vae_jax.evaluate.nearest import authentic_share, coverage, nearest
from vae_jax.figures.novelty import novelty
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

LATENT_SIZE = 8
SAMPLES = 500  # or as many as there are test images, if there are fewer
SHOWN = 12


class Measures(NamedTuple):
    """Of one run; `distances` (samples) and `usual` (test reconstructions) to the nearest training image."""

    samples: np.ndarray
    copied: np.ndarray
    distances: np.ndarray
    usual: np.ndarray
    authentic: tuple[float, float]
    covered: tuple[float, float]


def configs(dataset: str) -> list[ConfigDict]:
    """The VAE x seeds."""
    return expand(families(dataset)["VAE"], [[{"latent_size": LATENT_SIZE}], list(sweep_seed())])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    found = [_measures(row) for row in rows]
    first = found[0]
    order = np.argsort(first.distances)  # the most copied first
    chosen = order[np.linspace(0, len(order) - 1, SHOWN).astype(int)]
    pictures = [images[chosen] for images in (first.samples, first.copied)]
    figure = novelty(*pictures, first.distances[chosen], first.distances, first.usual, dataset)
    return Report({"novelty": figure}, _claims(found))


def _measures(row: Row) -> Measures:
    trained = launch.load(row.run)
    model = trained.model, trained.variables
    train, test = trained.images("train"), trained.images("test")[:SAMPLES]
    z = trained.model.prior.sample(jax.random.key(row.fields["seed"]), (len(test), LATENT_SIZE))
    samples = np.asarray(decoded(*model, z))
    rebuilt = np.asarray(reconstruct(*model, test))
    others = np.asarray(reconstruct(*model, train[: len(test)]))
    distances, found = nearest(samples, train)
    return Measures(
        samples,
        train[found],
        distances,
        nearest(rebuilt, train)[0],
        authentic=(authentic_share(samples, train), authentic_share(rebuilt, train)),
        covered=(coverage(samples, test), coverage(others, test)),
    )


def _claims(found: Sequence[Measures]) -> list[Claim]:
    return [
        Claim(
            "samples are novel (median distance to the nearest training image / of test reconstructions)",
            estimate([np.median(one.distances) / np.median(one.usual) for one in found]),
            at_least=0.75,
        ),
        Claim(
            "samples are authentic (share that are no copies / of test reconstructions)",
            estimate([one.authentic[0] / (one.authentic[1] or math.nan) for one in found]),
            at_least=0.5,
        ),
        Claim(
            "samples look like data (share of test images covered / by reconstructions of others)",
            estimate([one.covered[0] / (one.covered[1] or math.nan) for one in found]),
            at_least=0.5,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
