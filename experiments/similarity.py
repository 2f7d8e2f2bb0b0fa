"""Are points that are closer in the latent space more similar?

The post: "Points in the latent space that are closer together are understood to be more similar to
each other (for example, two adjacent points may be an pine tree and a Douglas fir tree), while
points that are farther apart are more likely to be different (for example, a Douglas fir tree would
probably be far from a palm tree in the latent space of trees)". So: over all pairs of 500 test
images, the distance of their codes, of 8 dimensions, against the distance of the images themselves;
and the distance of the mean codes of a pair of classes that look alike against that of a pair that
does not, which is fixed beforehand for each data set: of trees it is the post's own. The runs are
those of latent_size.

Claims, for each model:
- closer is more similar: the rank correlation of the two distances is at least one half;
- nearest are most similar: the image of the nearest code is nearer than 95% of all images (the
  median over images);
- and so are classes: the pair that looks alike is nearer than the other (distance / distance).

    python -m experiments.similarity --workdir=results
    python -m experiments.similarity --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np

from experiments import interpolation, study
from experiments.claims import Claim, Report
from experiments.study import families, of_family
from vae_jax import data, launch
from vae_jax.evaluate import codes, neighbors
from vae_jax.evaluate.nearest import flat
from vae_jax.figures.similarity import similarity
from vae_jax.results import Row
from vae_jax.statistics import estimate

configs = interpolation.configs
ASKED = 500  # the first test images
QUERIES, NEAREST, FARTHEST = 7, 5, 3  # that are drawn
BINS = 10  # of the latent distance, with as many pairs in each

# Two classes that look alike, and two that do not.
PAIRS = {
    "digits": (("4", "9"), ("0", "1")),
    "mnist": (("4", "9"), ("0", "1")),
    "fashion_mnist": (("pullover", "coat"), ("pullover", "sandal")),
    "trees": (("pine", "Douglas fir"), ("Douglas fir", "palm")),
}


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    test = images.test.images[:ASKED] / images.source.max_value
    looks = _distances(flat(test)) / np.sqrt(test[0].size)
    runs = {name: of_family(rows, family) for name, family in families(dataset).items()}
    maps = {name: [_codes(row) for row in of_model] for name, of_model in runs.items()}
    apart = {name: [_distances(z[:ASKED]) for z in seeds] for name, seeds in maps.items()}
    curves = {name: _curve(seeds, looks) for name, seeds in apart.items()}
    shown = {name: test[_ordered(seeds[0])] for name, seeds in apart.items()}
    figure = similarity(curves, shown, NEAREST, f"{dataset}, test")
    claims = [claim for name in maps for claim in _claims(name, maps[name], apart[name], looks, images)]
    return Report({"similarity": figure}, claims)


def _codes(row: Row) -> np.ndarray:
    trained = launch.load(row.run)
    return codes(trained.model, trained.variables, trained.images("test"))


def _distances(points_NxD: np.ndarray) -> np.ndarray:
    """Returns the Euclidean distances of all pairs, NxN."""
    from scipy.spatial.distance import pdist, squareform

    return squareform(pdist(points_NxD))


def _curve(apart: Sequence[np.ndarray], looks_NxN: np.ndarray) -> list:
    """Returns the mean distance of images, over seeds, in each bin of pairs by latent distance."""
    pairs = np.triu_indices(len(looks_NxN), 1)
    orders = [np.argsort(distances[pairs]) for distances in apart]
    bins = [[part.mean() for part in np.array_split(looks_NxN[pairs][order], BINS)] for order in orders]
    return [estimate(seeds) for seeds in zip(*bins, strict=True)]


def _ordered(apart_NxN: np.ndarray) -> np.ndarray:
    """Returns queries by row: the image itself, those of the nearest codes, those of the farthest."""
    order = np.argsort(apart_NxN[:QUERIES], axis=1)  # the first is the image itself
    return np.concatenate([order[:, : NEAREST + 1], order[:, -FARTHEST:]], axis=1)


def _rank_of_nearest(apart_NxN: np.ndarray, looks_NxN: np.ndarray) -> float:
    """Returns the share of images that are nearer than the one of the nearest code, the median."""
    away = apart_NxN + np.diag(np.full(len(apart_NxN), np.inf))
    found = looks_NxN[np.arange(len(away)), away.argmin(1)]
    return float(np.median((looks_NxN < found[:, None]).sum(1) - 1) / (len(away) - 2))


def _nearness(z: np.ndarray, images: data.Dataset) -> float:
    """Returns the distance of the pair of classes that look alike over that of the other pair."""
    classes = images.source.classes
    between = neighbors.class_distances(z, images.test.labels)
    alike, unlike = (between[tuple(map(classes.index, pair))] for pair in PAIRS[images.name])
    return float(alike / unlike)


def _claims(
    name: str,
    maps: Sequence[np.ndarray],
    apart: Sequence[np.ndarray],
    looks: np.ndarray,
    images: data.Dataset,
) -> list[Claim]:
    claims = [
        Claim(
            f"{name}: closer is more similar (rank correlation of latent and image distance)",
            estimate([neighbors.rank_correlation(distances, looks) for distances in apart]),
            at_least=0.5,
        ),
        Claim(
            f"{name}: the nearest code's image is among the most similar (share of images that are nearer)",
            estimate([_rank_of_nearest(distances, looks) for distances in apart]),
            at_most=0.05,
        ),
    ]
    if images.name in PAIRS:
        alike, unlike = ("–".join(pair) for pair in PAIRS[images.name])
        nearness = estimate([_nearness(z, images) for z in maps])
        claims.append(
            Claim(f"{name}: {alike} is nearer than {unlike} (distance / distance)", nearness, at_most=1.0)
        )
    return claims


if __name__ == "__main__":
    study.run(sys.modules[__name__])
