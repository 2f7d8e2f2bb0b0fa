"""How good are samples from the prior, by latent size? Kingma & Welling (2014), Fig. 5.

The figure shows the mean of p(x|z) for each z drawn from the prior, of the first seed, as theirs
does; their sizes are 2, 5, 10 and 20, here they are those of the other studies. Beside as many test
images: how often is an image's nearest other of its own kind, real or sampled? 0.5 if nothing tells
them apart, 1 if everything does.

Claims:
- five dimensions or more make better samples than two (the difference, the smallest);
- none makes perfect ones: even the best are told apart more often than not.

    python -m experiments.samples --workdir=results                   about 30 seconds
    python -m experiments.samples --dataset=mnist --workdir=results   about 5 minutes
"""

import sys
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_latent_size, sweep_seed
from experiments import study
from experiments.study import Claim, Report, families
from vae_jax import launch
from vae_jax.evaluate.decoded import decoded, drawn
from vae_jax.evaluate.two_sample import two_sample_accuracy
from vae_jax.figures import sheets
from vae_jax.results import Row, group
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

SIDE = 8  # images a row of a sheet
COMPARED = 1000  # real images and samples, at most


def configs(dataset: str) -> list[ConfigDict]:
    """Latent sizes x seeds."""
    return expand(families(dataset)["VAE"], [sweep_latent_size(), sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    of_size = {size: own for (size,), own in group(rows, ["latent_size"]).items()}
    told = {size: [_told_apart(row) for row in own] for size, own in of_size.items()}
    panels = {
        f"{size} dimensions\ntold apart: {estimate(told[size])}": _sheet(own[0])
        for size, own in of_size.items()
    }
    return Report({"samples": sheets.samples(panels)}, _claims(np.array(list(told.values()))))


def _codes(trained: launch.Trained, row: Row, count: int) -> jax.Array:
    return trained.model.prior.sample(jax.random.key(0), (count, row.fields["latent_size"]))


def _sheet(row: Row) -> np.ndarray:
    """Returns SIDE rows of SIDE means."""
    trained = launch.load(row.run)
    means = np.asarray(decoded(trained.model, trained.variables, _codes(trained, row, SIDE**2)))
    return means.reshape(SIDE, SIDE, *means.shape[1:])


def _told_apart(row: Row) -> float:
    trained = launch.load(row.run)
    real = trained.images("test")[:COMPARED]
    codes = _codes(trained, row, len(real))
    samples = np.asarray(drawn(trained.model, trained.variables, codes, jax.random.key(1)))
    return two_sample_accuracy(real.reshape(len(real), -1), samples.reshape(len(real), -1))


def _claims(told_LxS: np.ndarray) -> list[Claim]:
    """`told_LxS` has a row for each latent size, the smallest first, and a column for each seed."""
    return [
        Claim(
            "more than two dimensions make better samples (told apart / of two dimensions, the largest)",
            estimate((told_LxS[1:] / told_LxS[0]).max(0)),
            at_most=1.0,
        ),
        Claim(
            "none are perfect (told apart from real images, at the best size)",
            estimate(told_LxS.min(0)),
            at_least=0.5,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
