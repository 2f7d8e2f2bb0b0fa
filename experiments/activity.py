"""How many latent dimensions does a VAE use? Burda et al. (2016), App. C, with a code of 50.

A dimension's activity is the variance over images of its posterior mean; above 0.01 it is active.
Its KL says in nats how much it tells. The VAE is one of fixed, large σ: noise leaves little to tell.

Claims, seed by seed:
- used and unused dimensions stand apart: log10 of activity, sorted, has a gap of half a decade;
- activity puts the dimensions in the order of their KL: rank correlation of 0.95 or more;
- the inactive ones tell next to nothing: together at most 5% of the KL;
- the code is larger than what is used: at most three quarters of its dimensions are active.

    python -m experiments.activity --workdir=results
    python -m experiments.activity --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families
from vae_jax import launch
from vae_jax.config import override
from vae_jax.evaluate import codes
from vae_jax.evaluate.active_units import THRESHOLD, activity
from vae_jax.evaluate.kl_per_dimension import kl_per_dimension
from vae_jax.figures.dimensions import dimensions
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand


def configs(dataset: str) -> list[ConfigDict]:
    """Seeds, with a large code and a large σ."""
    fixed = {"latent_size": 50, "likelihood": "gaussian", "sigma": 0.5}
    return expand(override(families(dataset)["VAE"], fixed), [sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    """What a dimension is worth is known in two ways, for every seed and dimension, SxZ."""
    activity_SxZ, kl_SxZ = (np.array(values) for values in zip(*map(_measured, rows), strict=True))
    falling_SxZ = -np.sort(-kl_SxZ, axis=1)
    kl_Z = [estimate(seeds) for seeds in falling_SxZ.T]
    figure = dimensions(activity_SxZ, kl_Z, dataset)
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
    from scipy.stats import spearmanr  # 0.5 s: only where it is needed

    gaps_S = np.diff(np.sort(np.log10(activity_SxZ), axis=1), axis=1).max(1)
    orders = [spearmanr(*both).statistic for both in zip(activity_SxZ, kl_SxZ, strict=True)]
    active_SxZ = activity_SxZ > THRESHOLD
    inactive_S = (kl_SxZ * ~active_SxZ).sum(1) / kl_SxZ.sum(1)
    return [
        Claim(
            "used and unused dimensions stand apart (widest gap of log10 of activity, decades)",
            estimate(gaps_S),
            at_least=0.5,
        ),
        Claim(
            "activity puts them in the order of their KL (rank correlation)", estimate(orders), at_least=0.95
        ),
        Claim("inactive ones tell next to nothing (share of the KL)", estimate(inactive_S), at_most=0.05),
        Claim(
            f"some of the {activity_SxZ.shape[1]} dimensions stay unused (share of active ones)",
            estimate(active_SxZ.mean(1)),
            at_most=0.75,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
