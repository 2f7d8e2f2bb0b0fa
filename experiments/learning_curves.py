"""Do more latent dimensions overfit? Kingma & Welling (2014), Fig. 2.

The ELBO on train and validation images against the number of training images seen, for codes of
several sizes. Theirs are 3, 5, 10, 20 and 200; here they are those of the other studies.

Claims, both on validation images, seed by seed:
- "superfluous latent variables did not result in overfitting": the largest code's ELBO at the end
  is no more than 1 nat below that of the best size;
- nor do they widen the gap between train and validation: the last doubling leaves it no larger
  than it was.

    python -m experiments.learning_curves --workdir=results                   about 40 seconds
    python -m experiments.learning_curves --dataset=mnist --workdir=results   about 6 minutes
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_latent_size, sweep_seed
from experiments import study
from experiments.study import Claim, Report, families
from vae_jax import data
from vae_jax.figures.learning_curves import learning_curves
from vae_jax.results import Row, group
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

MARGIN = 1.0  # nats
POINTS = 60  # of a curve, at equal steps of the logarithm


def configs(dataset: str) -> list[ConfigDict]:
    """Latent sizes x seeds."""
    return expand(families(dataset)["VAE"], [sweep_latent_size(), sweep_seed()])


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
    last = {name: np.array([curve[-1] for curve in of_size.values()]) for name, of_size in elbos.items()}
    return Report({"learning_curves": figure}, _claims(last["train"], last["valid"]))


def _elbos(rows: Sequence[Row], name: str) -> np.ndarray:
    """Returns the ELBO after each epoch and of each seed, ExS."""
    return np.array([[line[f"{name}/elbo"] for line in row.run.metrics()] for row in rows]).T


def _spread(epochs: int) -> np.ndarray:
    """Returns the indices of epochs to draw: first and last among them."""
    return np.unique(np.geomspace(1, epochs, POINTS).round().astype(int)) - 1


def _claims(train_LxS: np.ndarray, valid_LxS: np.ndarray) -> list[Claim]:
    """ELBO at the end; a row for each latent size, the smallest first, and a column for each seed."""
    gaps_LxS = train_LxS - valid_LxS
    return [
        Claim(
            "more latent dimensions do not overfit (validation ELBO, best size − largest, nats)",
            estimate(valid_LxS.max(0) - valid_LxS[-1]),
            at_most=MARGIN,
        ),
        Claim(
            "the last doubling does not widen the gap (train − validation ELBO, after / before)",
            estimate(gaps_LxS[-1] / gaps_LxS[-2]),
            at_most=1.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
