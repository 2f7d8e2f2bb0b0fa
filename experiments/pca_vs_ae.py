"""Two principal components beside an autoencoder's code of two. Hinton & Salakhutdinov (2006), Fig. 3.

Both see the same training images; test images, 500 of a class where there are so many, are dots.

Claims:
- the autoencoder's code tells classes apart better: more test images have their class from the five
  nearest training codes than with PCA;
- and rebuilds better: its error on test is nine tenths of PCA's or less.

    python -m experiments.pca_vs_ae --workdir=results
    python -m experiments.pca_vs_ae --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families
from vae_jax import data, launch
from vae_jax.errors import UsageError
from vae_jax.evaluate import codes, knn_accuracy
from vae_jax.evaluate.knn import REFERENCES
from vae_jax.evaluate.pca import fit_pca, pca_mse
from vae_jax.figures.latent_map import latent_map
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

PER_CLASS = 500


class Components(NamedTuple):
    """Two principal components: codes of test, their class accuracy, and the error per pixel."""

    codes: np.ndarray
    accuracy: float
    error: float


def configs(dataset: str) -> list[ConfigDict]:
    """The autoencoder x seeds, with a code of two dimensions."""
    return expand(families(dataset)["autoencoder"], [[{"latent_size": 2}], sweep_seed()])


def check(dataset: str, configs: Sequence[ConfigDict]) -> None:
    study.require_classes("pca_vs_ae", dataset, 2)
    if any(config.evaluation.neighbors == 0 for config in configs):
        raise UsageError("study 'pca_vs_ae' needs evaluation.neighbors greater than 0, not 0")


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    pca = _components(images, rows[0].fields["evaluation.neighbors"])
    accuracies, errors = ([row.numbers[name] for row in rows] for name in ("test/knn_accuracy", "test/mse"))
    trained = launch.load(rows[0].run)
    maps = {
        "two principal components": pca.codes,
        "autoencoder": codes(trained.model, trained.variables, trained.images("test")),
    }
    shown = _of_each_class(images.test.labels)
    notes = dict(zip(maps, [_note([pca.accuracy], [pca.error]), _note(accuracies, errors)], strict=True))
    drawn = {name: points[shown] for name, points in maps.items()}
    figure = latent_map(drawn, images.test.labels[shown], images.source.classes, notes)
    return Report({"pca_vs_ae": figure}, _claims(accuracies, errors, pca))


def _components(images: data.Dataset, neighbors: int) -> Components:
    train, test = (split.images / images.source.max_value for split in (images.train, images.test))
    mean, axes = fit_pca(train.reshape(len(train), -1))
    known, asked = ((x.reshape(len(x), -1) - mean) @ axes[:2].T for x in (train[:REFERENCES], test))
    accuracy = knn_accuracy(known, images.train.labels[:REFERENCES], asked, images.test.labels, neighbors)
    return Components(asked, accuracy, pca_mse(train, test, [2])[0])


def _of_each_class(labels: np.ndarray) -> np.ndarray:
    """Returns the indices of the first PER_CLASS images of every class."""
    return np.concatenate([np.flatnonzero(labels == label)[:PER_CLASS] for label in np.unique(labels)])


def _note(accuracies: Sequence[float], errors: Sequence[float]) -> str:
    return f"class accuracy {estimate(accuracies)}\nmean squared error per pixel {estimate(errors)}"


def _claims(accuracies: Sequence[float], errors: Sequence[float], pca: Components) -> list[Claim]:
    return [
        Claim(
            "the code tells classes apart better than two principal components (accuracy; bound: PCA's)",
            estimate(accuracies),
            at_least=round(pca.accuracy, 3),
        ),
        Claim(
            "and rebuilds better (error / PCA's)",
            estimate(np.divide(errors, pca.error)),
            at_most=0.9,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
