"""Reproduce the studies: train what they need, draw their figures, check their claims, write the page.

    python -m experiments.reproduce --workdir=results
    python -m experiments.reproduce latent_map --dataset=mnist --workdir=results

Ends by writing WORKDIR/report.html, which shows it all (`experiments.report`). Exits 1 if a claim
is not reproduced. Runs are shared between studies and never trained twice.
"""

import argparse
from collections.abc import Sequence

from experiments import (
    activity,
    architecture,
    bottleneck_width,
    cli,
    compression,
    gaps,
    gaussian,
    interpolation,
    latent_map,
    latent_size,
    learning_curves,
    linear_pca,
    manifold,
    novelty,
    pca_vs_ae,
    ppca,
    rate_distortion,
    reconstructions,
    report,
    samples,
    similarity,
    study,
    trajectories,
)

STUDIES = {
    "architecture": architecture,
    "reconstructions": reconstructions,
    "latent_size": latent_size,
    "bottleneck_width": bottleneck_width,
    "compression": compression,
    "linear_pca": linear_pca,
    "latent_map": latent_map,
    "similarity": similarity,
    "gaps": gaps,
    "gaussian": gaussian,
    "pca_vs_ae": pca_vs_ae,
    "manifold": manifold,
    "samples": samples,
    "learning_curves": learning_curves,
    "activity": activity,
    "rate_distortion": rate_distortion,
    "trajectories": trajectories,
    "ppca": ppca,
    "interpolation": interpolation,
    "novelty": novelty,
}


def main(argv: Sequence[str]) -> int:
    return study.main(STUDIES, argv, __doc__, _write_page)


def _write_page(arguments: argparse.Namespace) -> None:
    report.write(arguments.workdir, STUDIES, manual_dir=arguments.manual_dir)


if __name__ == "__main__":
    cli.run(main)
