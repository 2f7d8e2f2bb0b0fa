"""Do more latent dimensions overfit? Kingma & Welling (2014), Fig. 2.

The ELBO on train and validation images against the number of training images seen, for codes of
several sizes. Theirs are 3, 5, 10, 20 and 200; here they are those of the other studies.

Claims, at the end of training, seed by seed:
- more latent dimensions do not overfit: on validation images the largest code's ELBO is no more
  than 1 nat below that of the best size;
- nor do they widen the gap between train and validation: the last doubling adds no more than 1 nat.

    python -m experiments.learning_curves --workdir=results
    python -m experiments.learning_curves --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_latent_size, sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families
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
    lines = {size: [row.run.metrics() for row in own] for size, own in of_size.items()}
    elbos = {name: {size: _elbos(runs, name) for size, runs in lines.items()} for name in ("train", "valid")}
    epochs = _spread(min(len(run) for runs in lines.values() for run in runs))
    batch = rows[0].fields["batch_size"]
    seen = (epochs + 1) * (data.source(dataset).sizes[0] // batch) * batch
    curves = {
        size: {name: [estimate(elbos[name][size][epoch]) for epoch in epochs] for name in elbos}
        for size in of_size
    }
    figure = learning_curves(seen, curves, dataset)
    last = {name: np.array([curve[-1] for curve in of_size.values()]) for name, of_size in elbos.items()}
    return Report({"learning_curves": figure}, _claims(last["train"], last["valid"]))


def _elbos(runs: Sequence[Sequence[dict[str, float]]], name: str) -> np.ndarray:
    """Returns the ELBO after each epoch that all seeds have, and of each seed, ExS."""
    epochs = zip(*runs, strict=False)  # with early stopping some have fewer
    return np.array([[line[f"{name}/elbo"] for line in seeds] for seeds in epochs])


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
            "the last doubling does not widen the gap (train − validation ELBO, after − before, nats)",
            estimate(gaps_LxS[-1] - gaps_LxS[-2]),
            at_most=MARGIN,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
