"""Evaluation on test: one metric a file, all of them functions of a model and images.

To add one, write its file, and give it a line in `EVALUATIONS` and its label in `METRICS`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.data import Dataset, Preprocess, draw_once
from vae_jax.evaluate.active_units import active_units
from vae_jax.evaluate.bounds import bounds
from vae_jax.evaluate.codes import codes
from vae_jax.evaluate.knn import REFERENCES, knn_accuracy
from vae_jax.evaluate.mse import mse, reconstruct
from vae_jax.model import Autoencoder
from vae_jax.posteriors import Delta

__all__ = ["METRICS", "Sets", "active_units", "bounds", "codes", "draw_sets", "evaluate", "knn_accuracy"]
__all__ += ["mse", "reconstruct"]

# The label of each metric's axis; {k} is the number of samples of the bound. A plain autoencoder
# has no KL, no bounds and no prior that sets the scale of its codes, so that none is active or not;
# one trained on squared error has no likelihood; images of less than two classes have no class accuracy.
METRICS = {
    "test/mse": "mean squared error per pixel",
    "test/reconstruction": "−log p(x|z), nats per image",
    "test/kl": "KL(q(z|x)‖p(z)), nats per image",
    "test/elbo": "ELBO, nats per image",
    "test/nll": "−log p(x), nats per image (IWAE bound, k = {k})",
    "test/active_units": "active latent dimensions",
    "test/knn_accuracy": "nearest-neighbour class accuracy in the latent space",
}


class Sets(NamedTuple):
    """Images in [0, 1] and labels that models are evaluated on; the same for every run.

    Attributes:
      images, labels: of test; labels are None where the data set has none.
      references, reference_labels: the first of train, whose codes are neighbours to those of test.
    """

    images: jax.Array
    labels: np.ndarray | None
    references: jax.Array
    reference_labels: np.ndarray | None


def draw_sets(preprocess: Preprocess, dataset: Dataset) -> Sets:
    """Returns what `evaluate` needs of a data set."""
    test, train = dataset.test, dataset.train
    images = draw_once(preprocess, test.images, "test")
    references = draw_once(preprocess, train.images[:REFERENCES], "train")
    known = None if train.labels is None else train.labels[:REFERENCES]
    return Sets(jnp.asarray(images), test.labels, jnp.asarray(references), known)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What metrics are made of: a trained model, `sets`, and the codes of both their images, NxZ.

    Attributes:
      iwae_samples: k of the importance-weighted bound.
      neighbors: k of the nearest-neighbour accuracy; 0 leaves it out. So do images without labels,
        and images that are all of one class, of which any code would be right.
    """

    model: Autoencoder
    variables: dict[str, Any]
    sets: Sets
    codes: np.ndarray
    reference_codes: np.ndarray
    iwae_samples: int
    neighbors: int


def _bounds(e: Evaluation) -> dict[str, Any]:
    key = jax.random.fold_in(jax.random.key(0), 2)  # the same for every run
    return bounds(e.model, e.variables, e.sets.images, key, e.iwae_samples)


def _knn(e: Evaluation) -> dict[str, Any]:
    if not e.neighbors or not _are_told_apart(e.sets):
        return {}
    known, asked = (e.reference_codes, e.sets.reference_labels), (e.codes, e.sets.labels)
    return {"knn_accuracy": knn_accuracy(*known, *asked, e.neighbors)}


def _are_told_apart(sets: Sets) -> bool:
    """Whether there are labels of two classes or more: of a single class, any code is right."""
    if sets.labels is None or sets.reference_labels is None:
        return False
    return len(np.unique(np.concatenate([sets.labels, sets.reference_labels]))) > 1


EVALUATIONS: tuple[Callable[[Evaluation], dict[str, Any]], ...] = (
    lambda e: {"mse": mse(e.model, e.variables, e.sets.images)},
    _bounds,
    lambda e: {} if e.model.posterior is Delta else {"active_units": active_units(e.codes)},
    _knn,
)


def evaluate(
    model: Autoencoder,
    variables: dict[str, Any],
    sets: Sets,
    latent_size: int,
    iwae_samples: int,
    neighbors: int,
) -> dict[str, float]:
    """Returns {'test/<metric>': value} of a trained model.

    Args:
      latent_size: the model's own, where it is filled up to the size of others.
    """
    own = [codes(model, variables, images)[:, :latent_size] for images in (sets.images, sets.references)]
    evaluation = Evaluation(model, variables, sets, *own, iwae_samples, neighbors)
    values = {name: value for part in EVALUATIONS for name, value in part(evaluation).items()}
    return {f"test/{name}": float(np.asarray(value)) for name, value in values.items()}
