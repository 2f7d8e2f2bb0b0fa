"""Evaluation on test: one metric a file, all of them functions of a model and images.

To add one, write its file, and give it a line in `EVALUATIONS` and its label in `METRICS`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vae_jax.data import Dataset, Preprocess, draw_once
from vae_jax.evaluate.active_units import active_units
from vae_jax.evaluate.bounds import bounds
from vae_jax.evaluate.codes import codes
from vae_jax.evaluate.knn import REFERENCES, knn_accuracy
from vae_jax.evaluate.mse import mse, reconstruct
from vae_jax.model import Autoencoder

__all__ = ["METRICS", "active_units", "bounds", "codes", "evaluate", "knn_accuracy", "mse", "reconstruct"]

# The label of each metric's axis; {k} is the number of samples of the bound. A plain
# autoencoder has no KL and no bounds; one trained on squared error has no likelihood.
METRICS = {
    "test/mse": "mean squared error per pixel",
    "test/reconstruction": "−log p(x|z), nats per image",
    "test/kl": "KL(q(z|x)‖p(z)), nats per image",
    "test/elbo": "ELBO, nats per image",
    "test/nll": "−log p(x), nats per image (IWAE bound, k = {k})",
    "test/active_units": "active latent dimensions",
    "test/knn_accuracy": "nearest-neighbour class accuracy in the latent space",
}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What metrics are made of: a trained model, images in [0, 1], their codes NxZ and labels N.

    Attributes:
      references, reference_labels: codes and labels of the first training images.
      iwae_samples: k of the importance-weighted bound.
      neighbors: k of the nearest-neighbour accuracy.
    """

    model: Autoencoder
    variables: dict[str, Any]
    images: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    references: np.ndarray
    reference_labels: np.ndarray
    iwae_samples: int
    neighbors: int


def _bounds(e: Evaluation) -> dict[str, Any]:
    key = jax.random.fold_in(jax.random.key(0), 2)  # the same for every run
    return bounds(e.model, e.variables, e.images, key, e.iwae_samples)


def _knn(e: Evaluation) -> dict[str, Any]:
    accuracy = knn_accuracy(e.references, e.reference_labels, e.codes, e.labels, e.neighbors)
    return {"knn_accuracy": accuracy}


EVALUATIONS: tuple[Callable[[Evaluation], dict[str, Any]], ...] = (
    lambda e: {"mse": mse(e.model, e.variables, e.images)},
    _bounds,
    lambda e: {"active_units": active_units(e.codes)},
    _knn,
)


def evaluate(
    model: Autoencoder,
    variables: dict[str, Any],
    dataset: Dataset,
    preprocess: Preprocess,
    iwae_samples: int,
    neighbors: int,
) -> dict[str, float]:
    """Returns {'test/<metric>': value} of a trained model."""
    images = draw_once(preprocess, dataset.test.images, "test")
    references = draw_once(preprocess, dataset.train.images[:REFERENCES], "train")
    evaluation = Evaluation(
        *(model, variables, images, dataset.test.labels, codes(model, variables, images)),
        *(codes(model, variables, references), dataset.train.labels[:REFERENCES]),
        *(iwae_samples, neighbors),
    )
    values = {name: value for part in EVALUATIONS for name, value in part(evaluation).items()}
    return {f"test/{name}": float(np.asarray(value)) for name, value in values.items()}
