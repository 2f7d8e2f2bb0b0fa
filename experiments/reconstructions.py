"""Eq. 1-3 trained and shown: what comes back from codes of several sizes.

The post: the objective is "to use a minimal number of nodes in the hidden layer to represent the
input with sufficient resolution that it could be perfectly recreated by the output layer". So: test
images above what the autoencoder and the VAE make of their codes, with the error of Eq. 3, and a
measure of "sufficient resolution": the share of test images that are told by their reconstruction
alone, because of all test images their own is the nearest to it. The runs are those of latent_size.

Claims, for both models:
- the largest code is enough: 95% or more are told by their reconstruction;
- the smallest is not: half or less are.

    python -m experiments.reconstructions --workdir=results
    python -m experiments.reconstructions --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np

from experiments import latent_size, study
from experiments.claims import Claim, Report
from experiments.study import families, of_family
from vae_jax import data, launch
from vae_jax.evaluate import reconstruct
from vae_jax.evaluate.nearest import nearest
from vae_jax.figures.reconstructions import reconstructions
from vae_jax.results import Row, by_seed, select
from vae_jax.statistics import estimate

configs = latent_size.configs
ASKED = 1000  # test images that are to be told from one another, the first ones
SHOWN = 10  # at least


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    chosen = one_of_each_class(images)
    pictures, errors, claims = {}, {}, []
    for name, family in families(dataset).items():
        runs = of_family(rows, family)
        sizes, values = by_seed(runs, "test/mse", by="latent_size")
        errors[name] = [estimate(seeds) for seeds in values]
        seeds_of = [select(runs, latent_size=size) for size in sizes]
        pictures[name] = [_rebuilt(of_size[0])[chosen] for of_size in seeds_of]
        told = [[_told(row) for row in seeds_of[index]] for index in (0, -1)]
        claims += _claims(name, sizes, *told)
    original = images.test.images[chosen] / images.source.max_value
    figure = reconstructions(original, sizes, pictures, errors, f"{dataset}, test")
    return Report({"reconstructions": figure}, claims)


def one_of_each_class(images: data.Dataset) -> list[int]:
    """Returns the numbers of SHOWN test images or a few more, as many of each class, in turns.

    Where there are fewer of a class, fewer are shown of it; without labels, the first images are.
    """
    labels = images.test.labels
    if labels is None:
        return list(range(min(SHOWN, len(images.test.images))))
    classes = len(images.source.classes)
    turns = -(-SHOWN // classes)
    members = [np.flatnonzero(labels == label)[:turns] for label in range(classes)]
    return [int(m[turn]) for turn in range(turns) for m in members if turn < len(m)]


def _rebuilt(row: Row) -> np.ndarray:
    """Returns the reconstructions of the test images, NxHxWxC."""
    trained = launch.load(row.run)
    return np.asarray(reconstruct(trained.model, trained.variables, trained.images("test")))


def _told(row: Row) -> float:
    """Returns the share of test images that are nearest to their own reconstruction, of all."""
    trained = launch.load(row.run)
    _, found = nearest(_rebuilt(row)[:ASKED], trained.images("test")[:ASKED])
    return float((found == np.arange(len(found))).mean())


def _claims(
    name: str, sizes: Sequence[int], smallest: Sequence[float], largest: Sequence[float]
) -> list[Claim]:
    return [
        Claim(
            f"{name}: a code of {sizes[-1]} is enough (share of images told by their reconstruction)",
            estimate(largest),
            at_least=0.95,
        ),
        Claim(
            f"{name}: a code of {sizes[0]} is not (the same share)",
            estimate(smallest),
            at_most=0.5,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
