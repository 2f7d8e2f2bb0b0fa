"""Is an autoencoder a form of principal component analysis? The linear one is.

The post's footnote: an autoencoder "can also be thought of as a form of principal component
analysis". Without hidden layers and with g the identity it is, exactly (Baldi & Hornik 1989): the
least squared error that a linear code of k dimensions can have is the sum of the covariance's
eigenvalues after the k-th, and it is reached where decoder and first k principal axes span the same
space. They need not be the same axes: any mixture of them does as well. So: linear autoencoders
trained to the end, on the images that they are trained on.

Claims, the worst case over latent sizes, seed by seed:
- the training error is the discarded eigenvalues' sum: at most 1% above it;
- it is not below: at least 1 up to float32's rounding;
- the spaces are the same: no principal angle above 3 degrees;
- the axes are not: the decoder's columns are more than 10 degrees from the nearest principal axis
  (the mean over columns).

    python -m experiments.linear_pca --workdir=results                   about 20 seconds
    python -m experiments.linear_pca --dataset=mnist --workdir=results   about 3 minutes
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from configs import ae
from configs.common import sweep_seed
from experiments import study
from experiments.study import Claim, Report
from vae_jax import data, launch
from vae_jax.config import override
from vae_jax.evaluate import mse
from vae_jax.evaluate.nearest import flat
from vae_jax.evaluate.pca import fit_pca
from vae_jax.evaluate.subspace import nearest_in_span, principal_angles
from vae_jax.figures.linear_pca import linear_pca
from vae_jax.results import Row, select
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

SIZES = (2, 4, 8, 16)
SHOWN = 4  # the latent size whose axes are drawn


class Fit(NamedTuple):
    """A trained linear autoencoder against the principal components of what it was trained on.

    Attributes:
      error: MSE per pixel on train.
      angles: principal angles between decoder and as many axes, degrees, largest first.
      axes_KxD: the decoder's columns, each of length 1.
    """

    error: float
    angles: np.ndarray
    axes_KxD: np.ndarray


def configs(dataset: str) -> list[ConfigDict]:
    """Latent sizes x seeds; a larger learning rate than usual, for these have to converge."""
    linear = override(ae.get_config(f"{dataset},linear"), {"learning_rate": 0.02})
    return expand(linear, [[{"latent_size": size} for size in SIZES], list(sweep_seed())])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    train = flat(images.train.images) / images.source.max_value
    mean, axes = fit_pca(train)
    variances = ((train - mean) @ axes.T).var(0)
    floors = np.array([variances[size:].sum() / train.shape[1] for size in SIZES])
    fits = [[_fit(row, axes) for row in select(rows, latent_size=size)] for size in SIZES]
    errors = np.array([[fit.error for fit in seeds] for seeds in fits])
    shown = fits[SIZES.index(SHOWN)][0].axes_KxD
    pictures = {
        "principal axes": axes[:SHOWN],
        "decoder's columns": shown,
        "nearest mixture of them": nearest_in_span(shown, axes[:SHOWN]),
    }
    pictures = {name: rows.reshape(SHOWN, *images.source.image_shape) for name, rows in pictures.items()}
    angles = [estimate([fit.angles[0] for fit in seeds]) for seeds in fits]
    figure = linear_pca(SIZES, [estimate(seeds) for seeds in errors], floors, angles, pictures, dataset)
    return Report({"linear_pca": figure}, _claims(errors / floors[:, None], fits, axes))


def _fit(row: Row, axes_DxD: np.ndarray) -> Fit:
    trained = launch.load(row.run)
    error = float(mse(trained.model, trained.variables, trained.images("train")))
    (layer,) = trained.variables["params"]["decoder"].values()
    columns = np.asarray(layer["kernel"], np.float64)
    angles = principal_angles(columns, axes_DxD[: len(columns)])
    return Fit(error, angles, columns / np.linalg.norm(columns, axis=1, keepdims=True))


def _turned(fit: Fit, axes_DxD: np.ndarray) -> float:
    """Returns the angle between a column and the principal axis nearest to it, degrees, the mean."""
    cosines = np.abs(fit.axes_KxD @ axes_DxD[: len(fit.axes_KxD)].T).max(1)
    return float(np.degrees(np.arccos(np.minimum(cosines, 1.0))).mean())


def _claims(ratios: np.ndarray, fits: Sequence[Sequence[Fit]], axes: np.ndarray) -> list[Claim]:
    """`ratios` of errors to floors, and `fits`, have a row for each size and a column for each seed."""
    by_seed = list(zip(*fits, strict=True))
    return [
        Claim(
            "the error is the sum of the discarded eigenvalues (error / sum, the largest)",
            estimate(ratios.max(0)),
            at_most=1.01,
        ),
        Claim(
            "no linear code does better (error / sum, the smallest)",
            estimate(ratios.min(0)),
            at_least=1 - 1e-5,
        ),
        Claim(
            "decoder and principal axes span the same space (largest principal angle, degrees)",
            estimate([max(fit.angles[0] for fit in seed) for seed in by_seed]),
            at_most=3.0,
        ),
        Claim(
            "by other axes (angle of the decoder's columns to the nearest, degrees, the least mean)",
            estimate([min(_turned(fit, axes) for fit in seed) for seed in by_seed]),
            at_least=10.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
