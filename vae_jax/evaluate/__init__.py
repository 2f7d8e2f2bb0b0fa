"""Evaluation on test: one metric a file, all of them functions of a model and images.

    mse             mean over pixels and images of (x - x')², x' decoded from the posterior mean
    reconstruction  E_q[-log p(x|z)], nats per image          (mean over the k samples)
    kl              KL(q(z|x)‖p(z)), nats per image           (closed form)
    elbo            -reconstruction - kl, a lower bound on log p(x)
    nll             -log p(x), nats per image, by the IWAE bound with k samples
    active_units    dimensions whose posterior mean varies: Var_x(E_q[z]) > 0.01
    knn_accuracy    share of test images whose nearest training codes name their class

A plain autoencoder has mse, reconstruction, active_units and knn_accuracy only.
"""

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

# Every metric's name and the label of its axis; {k} is the number of samples of the bound.
METRICS = {
    "mse": "mean squared error per pixel",
    "reconstruction": "−log p(x|z), nats per image",
    "kl": "KL(q(z|x)‖p(z)), nats per image",
    "elbo": "ELBO, nats per image",
    "nll": "−log p(x), nats per image (IWAE bound, k = {k})",
    "active_units": "active latent dimensions",
    "knn_accuracy": "nearest-neighbour class accuracy in the latent space",
}
__all__ = ["METRICS", "active_units", "bounds", "codes", "evaluate", "knn_accuracy", "mse", "reconstruct"]


def evaluate(
    model: Autoencoder,
    variables: dict[str, Any],
    dataset: Dataset,
    preprocess: Preprocess,
    iwae_samples: int,
    neighbors: int,
) -> dict[str, float]:
    """Returns {'test/<metric>': value} of a trained model; the random key is always the same."""
    test = draw_once(preprocess, dataset.test.images, "test")
    references = draw_once(preprocess, dataset.train.images[:REFERENCES], "train")
    labels = dataset.train.labels[:REFERENCES]
    test_codes = codes(model, variables, test)
    metrics = {
        "mse": mse(model, variables, test),
        **bounds(model, variables, test, jax.random.fold_in(jax.random.key(0), 2), iwae_samples),
        "active_units": active_units(test_codes),
        "knn_accuracy": knn_accuracy(
            codes(model, variables, references), labels, test_codes, dataset.test.labels, neighbors
        ),
    }
    return {f"test/{name}": float(np.asarray(value)) for name, value in metrics.items()}
