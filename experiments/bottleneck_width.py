"""How many nodes are enough? Reconstruction error against the width of the bottleneck.

The post: "We try to balance the number of nodes in the encoder and decoder functions so that we
have enough nodes to accurately compress and decompress the training data, but we don't want to
have so many nodes that the computation is inefficient". So: the plain autoencoder with a code of
8 dimensions and one hidden layer a side, from narrow to wide; its error against what it costs.
The knee is the width where the curve of error against parameters bends most.

    python -m experiments.bottleneck_width --workdir=results                   about 1 minute
    python -m experiments.bottleneck_width --dataset=mnist --workdir=results   about 8 minutes
"""

import math
from collections.abc import Sequence

from ml_collections import ConfigDict

from configs import ae
from experiments import cli, study
from experiments.study import Claim, Report
from vae_jax.figures import curves
from vae_jax.results import Row, over_seeds, select
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

COSTS = {
    "parameters": "parameters",
    "flops_per_image": "FLOPs per image and training step",
    "epoch_seconds": "seconds per epoch",
}


def configs(dataset: str) -> list[ConfigDict]:
    """Widths x seeds."""
    return expand(ae.get_config(dataset), [ae.sweep_bottleneck_width(), ae.sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    widths = sorted({row.fields["bottleneck_width"] for row in rows})
    groups = [select(rows, bottleneck_width=width) for width in widths]
    errors = [over_seeds(group, "test/mse") for group in groups]
    costs = {label: [over_seeds(group, name) for group in groups] for name, label in COSTS.items()}
    knee = curves.knee([cost.mean for cost in costs["parameters"]], [error.mean for error in errors])
    figure = curves.bottleneck_width(widths, errors, costs, knee, dataset)
    return Report({"bottleneck_width": figure}, _claims(rows, widths, knee))


def _claims(rows: Sequence[Row], widths: Sequence[int], knee: int) -> list[Claim]:
    narrow, at_knee, wide = widths[0], widths[knee], widths[-1]
    before, beyond = (_gains(rows, *ends) for ends in ((narrow, at_knee), (at_knee, wide)))
    flops = _ratios(rows, "flops_per_image", wide, at_knee)
    return [
        Claim(
            f"enough nodes matter: width {at_knee}, the knee, against {narrow} (error / error)",
            estimate(_ratios(rows, "test/mse", at_knee, narrow)),
            at_most=0.75,
        ),
        Claim(
            f"beyond it a doubling buys less (fall of log error per doubling, {at_knee} to {wide}, "
            f"/ {narrow} to {at_knee})",
            estimate([late / early for early, late in zip(before, beyond, strict=True)]),
            at_most=0.75,
        ),
        Claim(
            f"and costs the same: width {wide} against {at_knee} (FLOPs / FLOPs, per width / width)",
            estimate([ratio * at_knee / wide for ratio in flops]),
            at_least=0.75,
        ),
    ]


def _ratios(rows: Sequence[Row], number: str, width: int, other: int) -> list[float]:
    """Returns, for each seed, the ratio of a number at two widths."""
    pairs = zip(*(select(rows, bottleneck_width=w) for w in (width, other)), strict=True)
    return [one.numbers[number] / two.numbers[number] for one, two in pairs]


def _gains(rows: Sequence[Row], narrow: int, wide: int) -> list[float]:
    """Returns, for each seed, by how much the log of the error falls per doubling of the width."""
    if narrow == wide:
        return [math.nan for _ in select(rows, bottleneck_width=wide)]
    return [-math.log(r) / math.log2(wide / narrow) for r in _ratios(rows, "test/mse", wide, narrow)]


if __name__ == "__main__":
    import sys

    cli.run(lambda argv: study.main({"bottleneck_width": sys.modules[__name__]}, argv, __doc__))
