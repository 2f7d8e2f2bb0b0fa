"""Do more latent dimensions overfit? Kingma & Welling (2014), Fig. 2.

The ELBO on train and validation images against the number of training images seen, for codes of
several sizes. Theirs are 3, 5, 10, 20 and 200; here 2 and 50 take the place of the ends, because
other studies need those runs.

Claims, both on validation images, seed by seed:
- "superfluous latent variables did not result in overfitting": the largest code's ELBO at the end
  is no more than 1 nat below that of the best size;
- nor does it fall again: it ends no more than 1 nat below its own maximum.

    python -m experiments.learning_curves --workdir=results                   about 40 seconds
    python -m experiments.learning_curves --dataset=mnist --workdir=results   about 6 minutes
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from experiments import kingma_welling, study
from experiments.study import Claim, Report
from vae_jax import data
from vae_jax.figures.learning_curves import learning_curves
from vae_jax.results import Row, group
from vae_jax.statistics import estimate

MARGIN = 1.0  # nats
POINTS = 60  # of a curve, at equal steps of the logarithm


def configs(dataset: str) -> list[ConfigDict]:
    """Latent sizes x seeds."""
    return kingma_welling.configs(dataset, kingma_welling.SIZES)


def report(dataset: str, rows: Sequence[Row]) -> Report:
    of_size = {size: own for (size,), own in group(rows, ["latent_size"]).items()}
    elbos = {name: {size: _elbos(own, name) for size, own in of_size.items()} for name in ("train", "valid")}
    epochs = _spread(len(next(iter(elbos["valid"].values()))))
    batch = rows[0].fields["batch_size"]
    seen = (epochs + 1) * (data.source(dataset).sizes[0] // batch) * batch
    curves = {
        size: {name: [estimate(elbos[name][size][epoch]) for epoch in epochs] for name in elbos}
        for size in of_size
    }
    figure = learning_curves(seen, curves, dataset)
    return Report({"learning_curves": figure}, _claims(np.array(list(elbos["valid"].values()))))


def _elbos(rows: Sequence[Row], name: str) -> np.ndarray:
    """Returns the ELBO after each epoch and of each seed, ExS."""
    return np.array([[line[f"{name}/elbo"] for line in row.run.metrics()] for row in rows]).T


def _spread(epochs: int) -> np.ndarray:
    """Returns the indices of epochs to draw: first and last among them."""
    return np.unique(np.geomspace(1, epochs, POINTS).round().astype(int)) - 1


def _claims(valid_LxExS: np.ndarray) -> list[Claim]:
    """Validation ELBO: latent sizes, the smallest first, x epochs x seeds."""
    last_LxS = valid_LxExS[:, -1]
    return [
        Claim(
            "more latent dimensions do not overfit (validation ELBO, best size − largest, nats)",
            estimate(last_LxS.max(0) - last_LxS[-1]),
            at_most=MARGIN,
        ),
        Claim(
            "nor does longer training, at the largest size (maximum − last, nats)",
            estimate(valid_LxExS[-1].max(0) - last_LxS[-1]),
            at_most=MARGIN,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
