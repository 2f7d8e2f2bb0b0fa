"""Reproduce the studies: train what they need, draw their figures, check their claims.

    python -m experiments.reproduce --workdir=results
    python -m experiments.reproduce latent_map --dataset=mnist --workdir=results

Exits 1 if a claim is not reproduced. Runs are shared between studies and never trained twice.
"""

from collections.abc import Sequence

from experiments import (
    architecture,
    bottleneck_width,
    cli,
    compression,
    gaps,
    gaussian,
    interpolation,
    latent_map,
    latent_size,
    linear_pca,
    novelty,
    reconstructions,
    similarity,
    study,
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
    "interpolation": interpolation,
    "novelty": novelty,
}


def main(argv: Sequence[str]) -> int:
    return study.main(STUDIES, argv, __doc__)


if __name__ == "__main__":
    cli.run(main)
