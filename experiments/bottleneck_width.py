"""How many nodes are enough? Reconstruction error against the width of the bottleneck.

The post: "We try to balance the number of nodes in the encoder and decoder functions so that we
have enough nodes to accurately compress and decompress the training data, but we don't want to
have so many nodes that the computation is inefficient". So: the plain autoencoder with a code of
8 dimensions and one hidden layer a side, from narrow to wide, all for the same number of epochs;
its error against what it costs. The knee is where the curve, as drawn, bends most.

Claims, at widths fixed beforehand, 8 to 64 and 64 to 512, eight times each:
- enough nodes matter: the first step lowers the error by a quarter or more;
- there are enough: the second lowers the log of the error by at most three quarters as much;
- and are paid for: the second step at least doubles the time of an epoch.

    python -m experiments.bottleneck_width --workdir=results
    python -m experiments.bottleneck_width --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs import ae
from configs.common import sweep_bottleneck_width, sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from vae_jax.config import override
from vae_jax.figures import curves
from vae_jax.results import COSTS, Row, by_seed, select
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

TIMED_SHARE = 0.05  # of the epochs: so many tell how long one takes
NARROW, MIDDLE, WIDE = 8, 64, 512


def configs(dataset: str) -> list[ConfigDict]:
    """Widths x seeds."""
    return expand(ae.get_config(dataset), [sweep_bottleneck_width(), sweep_seed()])


def timed(configs: Sequence[ConfigDict]) -> list[ConfigDict]:
    """The beginnings of these runs."""
    return [override(config, {"stop_epoch": _few(config.num_epochs)}) for config in configs]


def _few(epochs: int) -> int:
    return min(epochs - 1, max(4, round(TIMED_SHARE * epochs)))


def report(dataset: str, rows: Sequence[Row]) -> Report:
    whole = select(rows, stop_epoch=0)
    beginnings = [row for row in rows if row not in whole]
    widths, errors = by_seed(whole, "test/mse", by="bottleneck_width")
    costs = {
        name: by_seed(beginnings, name, by="bottleneck_width")[1]
        for name in ("parameters", "flops_per_image", "epoch_seconds")
    }
    knees = [curves.knee(costs["parameters"][:, seed], errors[:, seed]) for seed in range(errors.shape[1])]
    drawn = {COSTS[name]: [estimate(seeds) for seeds in values] for name, values in costs.items()}
    figure = curves.bottleneck_width(widths, [estimate(seeds) for seeds in errors], drawn, knees, dataset)
    return Report({"bottleneck_width": figure}, _claims(widths, errors, costs["epoch_seconds"]))


def _claims(widths: Sequence[int], errors: np.ndarray, seconds: np.ndarray) -> list[Claim]:
    """`errors` and `seconds` have a row for each width and a column for each seed."""
    narrow, middle, wide = (widths.index(width) for width in (NARROW, MIDDLE, WIDE))
    first, second = errors[middle] / errors[narrow], errors[wide] / errors[middle]
    return [
        Claim(
            f"enough nodes matter: width {MIDDLE} against {NARROW} (error / error)",
            estimate(first),
            at_most=0.75,
        ),
        Claim(
            f"more buy less: {MIDDLE} to {WIDE} against {NARROW} to {MIDDLE} (fall of log error / fall)",
            estimate(np.log(second) / np.log(first)),
            at_most=0.75,
        ),
        Claim(
            f"and are paid for: width {WIDE} against {MIDDLE} (seconds per epoch / seconds)",
            estimate(seconds[wide] / seconds[middle]),
            at_least=2.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
