"""Reproduce the studies: train what they need, draw their figures, check their claims.

    python -m experiments.reproduce --workdir=results
    python -m experiments.reproduce latent_map --dataset=mnist --workdir=results

Exits 1 if a claim is not reproduced. Runs are shared between studies and never trained twice.
"""

from collections.abc import Sequence

from experiments import (
    activity,
    bottleneck_width,
    cli,
    latent_map,
    latent_size,
    learning_curves,
    manifold,
    pca_vs_ae,
    ppca,
    rate_distortion,
    samples,
    study,
    trajectories,
)

STUDIES = {
    "latent_size": latent_size,
    "bottleneck_width": bottleneck_width,
    "latent_map": latent_map,
    "pca_vs_ae": pca_vs_ae,
    "manifold": manifold,
    "samples": samples,
    "learning_curves": learning_curves,
    "activity": activity,
    "rate_distortion": rate_distortion,
    "trajectories": trajectories,
    "ppca": ppca,
}


def main(argv: Sequence[str]) -> int:
    return study.main(STUDIES, argv, __doc__)


if __name__ == "__main__":
    cli.run(main)
