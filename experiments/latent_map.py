"""What does a latent space look like? The post's Fig. 2, for an autoencoder and a VAE.

The post: "all the images are grouped together by number, and numbers that look similar to each
other are closer than those that are more distinct from one another". So: a code of two
dimensions, every test image a dot, and two measures. Purity is the share of a dot's ten nearest
neighbours that are of its class. Looking alike is the distance between two classes' mean
images; nearness is the distance between their mean codes.

Claims, for each model:
- it groups images by class better than the first two principal components do (purity);
- classes that look alike are near: the rank correlation of the two distances, over all pairs of
  classes, is higher than 95% of those with the classes shuffled.

    python -m experiments.latent_map --workdir=results                   about 30 seconds
    python -m experiments.latent_map --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families, of_family
from vae_jax import data, launch
from vae_jax.evaluate import codes, neighbors
from vae_jax.evaluate.pca import fit_pca
from vae_jax.figures.latent_map import latent_map
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand


def configs(dataset: str) -> list[ConfigDict]:
    """Both families x seeds, with a code of two dimensions."""
    sweeps = [[{"latent_size": 2}], list(sweep_seed())]
    return [config for family in families(dataset).values() for config in expand(family, sweeps)]


def check(dataset: str, configs: Sequence[ConfigDict]) -> None:
    study.require_classes("latent_map", dataset, 3)  # fewer have no ranks of their pairs


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    labels, classes = images.test.labels, images.source.classes
    maps = {name: [_codes(row) for row in of_family(rows, f)] for name, f in families(dataset).items()}
    mixing = {name: [neighbors.mixing(z, labels) for z in seeds] for name, seeds in maps.items()}
    drawn = {name: seeds[0] for name, seeds in maps.items()}
    notes = {name: _note(seeds, labels, classes) for name, seeds in mixing.items()}
    figure = latent_map(drawn, labels, classes, notes)
    claims = [claim for name in maps for claim in _claims(name, maps[name], mixing[name], images)]
    return Report({"latent_map": figure}, claims, {"latent_map_pairs": _pairs(maps, mixing, labels, classes)})


def _codes(row: Row) -> np.ndarray:
    """Returns the codes of the test images, Nx2."""
    trained = launch.load(row.run)
    return codes(trained.model, trained.variables, trained.images("test"))


def _note(mixing: Sequence[np.ndarray], labels: np.ndarray, classes: Sequence[str]) -> str:
    """Purity over seeds, and the pairs of classes that are neighbours most often."""
    purity = estimate([neighbors.purity(one, labels) for one in mixing])
    nearest = neighbors.pairs(np.mean(mixing, axis=0))[::-1][:3]
    names = ", ".join(f"{classes[pair.first]}–{classes[pair.second]}" for pair in nearest)
    return f"purity {purity} over {purity.count} seeds (this is the first)\nnearest pairs: {names}"


def _pairs(
    maps: dict[str, list[np.ndarray]],
    mixing: dict[str, list[np.ndarray]],
    labels: np.ndarray,
    classes: Sequence[str],
) -> list[list[Any]]:
    """Every pair of classes, by model and seed, the nearest mean codes first."""
    table = [["model", "seed", "class", "other class", "distance of mean codes", "share of neighbours"]]
    for name, seeds in maps.items():
        for seed, (z, mixed) in enumerate(zip(seeds, mixing[name], strict=True)):
            shared = {pair[:2]: pair.value for pair in neighbors.pairs(mixed)}
            for pair in neighbors.pairs(neighbors.class_distances(z, labels)):
                pair_names = [classes[pair.first], classes[pair.second]]
                table.append([name, seed, *pair_names, pair.value, shared[pair[:2]]])
    return table


def _claims(
    name: str, maps: Sequence[np.ndarray], mixing: Sequence[np.ndarray], images: data.Dataset
) -> list[Claim]:
    labels = images.test.labels
    train, test = (split.images.reshape(len(split.images), -1) for split in (images.train, images.test))
    mean, axes = fit_pca(train)
    pca_purity = neighbors.purity(neighbors.mixing((test - mean) @ axes[:2].T, labels), labels)
    pixels = neighbors.class_distances(test, labels)
    nearness = [neighbors.class_distances(z, labels) for z in maps]
    chance = max(neighbors.chance_correlation(pixels, distances) for distances in nearness)
    return [
        Claim(
            f"{name}: groups images by class better than two principal components (purity; bound: PCA's)",
            estimate([neighbors.purity(one, labels) for one in mixing]),
            at_least=round(pca_purity, 3),
        ),
        Claim(
            f"{name}: classes that look alike are near (rank correlation; bound: 95% of shuffled classes)",
            estimate([neighbors.rank_correlation(pixels, distances) for distances in nearness]),
            at_least=round(chance, 3),
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
