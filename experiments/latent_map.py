"""What does a latent space look like? The post's Fig. 2, for an autoencoder and a VAE.

The post: "all the images are grouped together by number, and numbers that look similar to each
other are closer than those that are more distinct from one another". So: a code of two
dimensions, every test image a dot, and two measures. Purity is the share of a dot's ten nearest
neighbours that are of its class. Looking alike is the distance between two classes' mean
images; nearness is the distance between their mean codes.

    python -m experiments.latent_map --workdir=results                   about 30 seconds
    python -m experiments.latent_map --dataset=mnist --workdir=results   about 4 minutes
"""

from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs import ae, vae
from experiments import cli, study
from experiments.study import Claim, Report
from vae_jax import data, launch
from vae_jax.evaluate import codes, neighbors
from vae_jax.figures.latent_map import latent_map
from vae_jax.results import Row, select
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

FAMILIES = {"autoencoder": "delta", "VAE": "gaussian"}  # name -> its posterior


def configs(dataset: str) -> list[ConfigDict]:
    """Both families x seeds, with a code of two dimensions."""
    families = (ae.get_config(dataset), vae.get_config(f"{dataset},grey"))
    return [run for family in families for run in expand(family, [[{"latent_size": 2}], ae.sweep_seed()])]


def report(dataset: str, rows: Sequence[Row]) -> Report:
    source, test = data.source(dataset), data.load(dataset).test
    maps = {name: [_codes(row) for row in select(rows, posterior=p)] for name, p in FAMILIES.items()}
    mixing = {name: [neighbors.mixing(z, test.labels) for z in seeds] for name, seeds in maps.items()}
    notes = {name: _note(seeds[0], test.labels, source.classes) for name, seeds in mixing.items()}
    first_seed = {name: seeds[0] for name, seeds in maps.items()}
    figure = latent_map(first_seed, test.labels, source.classes, notes)
    claims = [claim for name in FAMILIES for claim in _claims(name, maps[name], mixing[name], test)]
    return Report({"latent_map": figure}, claims)


def _codes(row: Row) -> np.ndarray:
    """Returns the codes of the test images, Nx2."""
    trained = launch.load(row.run)
    images = data.draw_once(trained.preprocess, trained.dataset.test.images, "test")
    return codes(trained.model, trained.variables, images)


def _note(mixing: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> str:
    mixed = neighbors.pairs(mixing)[::-1][:3]
    names = ", ".join(f"{classes[pair.first]}–{classes[pair.second]}" for pair in mixed)
    return f"purity {neighbors.purity(mixing, labels):.2f}; most mixed: {names}"


def _claims(
    name: str, maps: Sequence[np.ndarray], mixing: Sequence[np.ndarray], test: data.Split
) -> list[Claim]:
    pixels = neighbors.class_distances(test.images.reshape(len(test.images), -1), test.labels)
    nearness = [neighbors.class_distances(z, test.labels) for z in maps]
    return [
        Claim(
            f"{name}: images are grouped by class (purity: share of neighbours of the same class)",
            estimate([neighbors.purity(m, test.labels) for m in mixing]),
            at_least=0.5,
        ),
        Claim(
            f"{name}: like classes are near (rank correlation of class distances, pixels and codes)",
            estimate([neighbors.rank_correlation(pixels, distances) for distances in nearness]),
            at_least=0.0,
        ),
    ]


if __name__ == "__main__":
    import sys

    cli.run(lambda argv: study.main({"latent_map": sys.modules[__name__]}, argv, __doc__))
