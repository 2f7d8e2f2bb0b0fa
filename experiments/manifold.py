"""What does a two-dimensional code stand for? Kingma & Welling (2014), Fig. 4.

A grid on the unit square, through the inverse normal CDF, so that every cell stands for the same
share of the prior; each code decoded. The figure is the first seed's.

Claims:
- the manifold is smooth: images side by side are a quarter as far apart as any two, or nearer
  (mean squared distances);
- every class has its place: of the classes, nine in ten or more are found on it, by the nearest
  training images.

    python -m experiments.manifold --workdir=results
    python -m experiments.manifold --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families
from vae_jax import launch
from vae_jax.evaluate.decoded import decoded
from vae_jax.evaluate.knn import REFERENCES, nearest_labels
from vae_jax.evaluate.manifold import roughness, unit_square
from vae_jax.figures import sheets
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

SIDE, NEIGHBORS = 20, 5


def configs(dataset: str) -> list[ConfigDict]:
    """Seeds, with a code of two dimensions."""
    return expand(families(dataset)["VAE"], [[{"latent_size": 2}], sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    trained = [launch.load(row.run) for row in rows]
    planes = [_plane(one) for one in trained]
    labelled = trained[0].dataset.train.labels is not None
    found = [_classes(one, plane) for one, plane in zip(trained, planes, strict=True)] if labelled else []
    figure = sheets.manifold(planes[0], f"{dataset}: the plane of the code")
    return Report({"manifold": figure}, _claims([roughness(plane) for plane in planes], found))


def _plane(trained: launch.Trained) -> np.ndarray:
    """Returns the decoded grid, SxSxHxWxC."""
    images = np.asarray(decoded(trained.model, trained.variables, unit_square(SIDE).astype(np.float32)))
    return images.reshape(SIDE, SIDE, *images.shape[1:])


def _classes(trained: launch.Trained, plane: np.ndarray) -> float:
    """Returns the share of the classes that some image of the plane belongs to."""
    source, train = trained.dataset.source, trained.dataset.train
    known = (train.images[:REFERENCES] / source.max_value).reshape(-1, plane[0, 0].size)
    labels = nearest_labels(known, train.labels[:REFERENCES], plane.reshape(SIDE**2, -1), NEIGHBORS)
    return len(set(labels)) / len(source.classes)


def _claims(rough: Sequence[float], found: Sequence[float]) -> list[Claim]:
    """`found`: empty where no classes are known."""
    smooth = Claim(
        "the manifold is smooth (squared distance of images side by side / of any two)",
        estimate(rough),
        at_most=0.25,
    )
    place = "every class has its place on it (share of the classes)"
    return [smooth, *([Claim(place, estimate(found), at_least=0.9)] if found else [])]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
