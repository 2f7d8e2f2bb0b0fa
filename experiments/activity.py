"""How many latent dimensions does a VAE use? Burda et al. (2016), App. C, with a code of 50.

A dimension's activity is the variance over images of its posterior mean; above 0.01 it is active.
The KL of a dimension says the same in nats, and which information stands where.

Claims:
- the histogram of log-activity has two separate parts: at most a tenth of the dimensions lie within
  half a decade of the threshold;
- activity and KL (above 0.01 nats) agree on nearly all dimensions: at least 95%;
- the code is larger than what is used: at most three quarters of its dimensions are active.

    python -m experiments.activity --workdir=results                   about 15 seconds
    python -m experiments.activity --dataset=mnist --workdir=results   about 2 minutes
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.study import Claim, Report, families
from vae_jax import launch
from vae_jax.config import override
from vae_jax.evaluate import codes
from vae_jax.evaluate.active_units import THRESHOLD, activity
from vae_jax.evaluate.kl_per_dimension import THRESHOLD as KL_THRESHOLD
from vae_jax.evaluate.kl_per_dimension import kl_per_dimension
from vae_jax.figures.dimensions import dimensions
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand


def configs(dataset: str) -> list[ConfigDict]:
    """Seeds, with a large code and much noise on the pixels, which leaves little to tell."""
    fixed = {"latent_size": 50, "likelihood": "gaussian", "sigma": 0.5}
    return expand(override(families(dataset)["VAE"], fixed), [sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    """What a dimension is worth is known in two ways, for every seed and dimension, SxZ."""
    activity_SxZ, kl_SxZ = (np.array(values) for values in zip(*map(_measured, rows), strict=True))
    falling_SxZ = -np.sort(-kl_SxZ, axis=1)
    kl_Z = [estimate(seeds) for seeds in falling_SxZ.T]
    figure = dimensions(activity_SxZ, kl_Z, KL_THRESHOLD, dataset)
    table = _table(rows, activity_SxZ, kl_SxZ)
    return Report({"activity": figure}, _claims(activity_SxZ, kl_SxZ), {"activity": table})


def _measured(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Returns activity and KL (nats) of each dimension, on test."""
    trained = launch.load(row.run)
    given = trained.model, trained.variables, trained.images("test")
    return activity(codes(*given)), kl_per_dimension(*given)


def _table(rows: Sequence[Row], activity_SxZ: np.ndarray, kl_SxZ: np.ndarray) -> list[list[Any]]:
    table = [["seed", "dimension", "activity", "kl"]]
    for row, *measured in zip(rows, activity_SxZ, kl_SxZ, strict=True):
        pairs = enumerate(zip(*measured, strict=True))
        table += [[row.fields["seed"], dimension, *pair] for dimension, pair in pairs]
    return table


def _claims(activity_SxZ: np.ndarray, kl_SxZ: np.ndarray) -> list[Claim]:
    active, in_nats = activity_SxZ > THRESHOLD, kl_SxZ > KL_THRESHOLD
    between = np.abs(np.log10(activity_SxZ / THRESHOLD)) < 0.5
    return [
        Claim(
            "dimensions are used or not, few are between (share within half a decade of the threshold)",
            estimate(between.mean(1)),
            at_most=0.1,
        ),
        Claim(
            "activity and KL tell the same dimensions apart (share on which they agree)",
            estimate((active == in_nats).mean(1)),
            at_least=0.95,
        ),
        Claim(
            f"some of the {activity_SxZ.shape[1]} dimensions stay unused (share of active ones)",
            estimate(active.mean(1)),
            at_most=0.75,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
