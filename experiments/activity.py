"""How many latent dimensions does a VAE use? Burda et al. (2016), App. C, with a code of 50.

A dimension's activity is the variance over images of its posterior mean; above 0.01 it is active.
Its KL says in nats how much it tells. The VAE is one of fixed, large σ: noise leaves little to tell.

Claims, seed by seed:
- used and unused dimensions stand apart: log10 of activity, sorted, has a gap of half a decade;
- that gap is where the KL says: the dimensions above it hold 95% or more;
- Burda's threshold lies in such a gap: from the least active dimension above it to the most active
  below there is half a decade;
- activity puts the dimensions in the order of their KL: rank correlation of 0.95 or more;
- the inactive ones tell next to nothing: together at most 5% of the KL;
- and the active ones are no more, but for one, than it takes to hold 95% of the KL;
- the code is larger than what is used: at most three quarters of its dimensions are active.

What was claimed before: the first, fourth, fifth and last. They hold on digits although the threshold cuts
through the lump of unused dimensions, whose activity goes from 0.0004 to 0.08 where training has not yet
collapsed them: 5 to 19 dimensions are active, and 3 or 4 of these hold 88 to 98% of the KL.

    python -m experiments.activity --workdir=results
    python -m experiments.activity --dataset=mnist --workdir=results
"""

import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

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
from vae_jax.statistics import Estimate, estimate
from vae_jax.sweeps import expand

GAP = 0.5  # decades of activity
SHARE = 0.95  # of the KL


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

    both = list(zip(activity_SxZ, kl_SxZ, strict=True))
    gaps = [_widest_gap(seed) for seed in activity_SxZ]
    above_SxZ = activity_SxZ > np.array([[gap.below] for gap in gaps])
    active_SxZ = activity_SxZ > THRESHOLD

    def share(chosen_SxZ: np.ndarray) -> Estimate:
        return estimate((kl_SxZ * chosen_SxZ).sum(1) / kl_SxZ.sum(1))

    too_many = [(activity > THRESHOLD).sum() - _holding(kl) for activity, kl in both]
    return [
        Claim(
            "used and unused dimensions stand apart (widest gap of log10 of activity, decades)",
            estimate([gap.decades for gap in gaps]),
            at_least=GAP,
        ),
        Claim("those above that gap tell nearly all (share of the KL)", share(above_SxZ), at_least=SHARE),
        Claim(
            f"the threshold {THRESHOLD:g} parts them (gap of log10 of activity around it, decades)",
            estimate([_gap_around(seed, THRESHOLD) for seed in activity_SxZ]),
            at_least=GAP,
        ),
        Claim(
            "activity puts them in the order of their KL (rank correlation)",
            estimate([spearmanr(*pair).statistic for pair in both]),
            at_least=0.95,
        ),
        Claim("inactive ones tell next to nothing (share of the KL)", share(~active_SxZ), at_most=1 - SHARE),
        Claim(
            f"no more are active than hold {SHARE:.0%} of the KL (how many too many)",
            estimate(too_many),
            at_most=1.0,
        ),
        Claim(
            f"some of the {activity_SxZ.shape[1]} dimensions stay unused (share of active ones)",
            estimate(active_SxZ.mean(1)),
            at_most=0.75,
        ),
    ]


class Gap(NamedTuple):
    """Between two dimensions, next to each other in activity: its width, and the activity below it."""

    decades: float
    below: float


def _widest_gap(activity_Z: np.ndarray) -> Gap:
    ordered = np.sort(activity_Z)
    gaps = np.diff(_decades(ordered))
    return Gap(gaps.max(), ordered[gaps.argmax()])


def _gap_around(activity_Z: np.ndarray, threshold: float) -> float:
    """Returns decades from the most active dimension up to `threshold` to the least active above it.

    NaN where all are on one side: nothing is parted.
    """
    above = activity_Z > threshold
    if above.all() or not above.any():
        return math.nan
    return float(_decades(activity_Z[above].min()) - _decades(activity_Z[~above].max()))


def _holding(kl_Z: np.ndarray) -> int:
    """Returns how many dimensions it takes to hold SHARE of the KL."""
    held = np.cumsum(-np.sort(-kl_Z)) / kl_Z.sum()
    return int((held < SHARE).sum()) + 1


def _decades(activity: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(activity, 1e-10))


if __name__ == "__main__":
    study.run(sys.modules[__name__])
