"""Is an autoencoder a form of principal component analysis? The linear one is.

The post's footnote: an autoencoder "can also be thought of as a form of principal component
analysis". Without hidden layers and with g the identity it is, exactly (Baldi & Hornik 1989): the
least squared error that a linear code of k dimensions can have is the sum of the covariance's
eigenvalues after the k-th, and it is reached where decoder and first k principal axes span the same
space. They need not be the same axes: any mixture of them does as well. So: linear autoencoders on
the images that they are trained on, first as trained, which is up to the noise of their batches and
the choice of the best epoch on other images; then from there on to the very end, by descent on all
training images at once. That is a form of power iteration, and ends at PCA from almost anywhere: the
claims about the end are of the theorem, that Eq. 3 has no other minimum on the way, not of the training.
Of the space as trained nothing is claimed, though the figure shows it: where the next eigenvalue is nearly
the same, as after the 8th and 16th of digits, an axis can be swapped for another at hardly any error.

Claims, the worst case over latent sizes, seed by seed:
- as trained, the error is at most 1% above the sum of the discarded eigenvalues;
- at the end it is that sum, up to one part in a million;
- and the spaces are the same: no principal angle above 0.1 degrees;
- the axes are not: the decoder's columns are 10 degrees or more from the nearest principal axis
  (the mean over columns).

    python -m experiments.linear_pca --workdir=results
    python -m experiments.linear_pca --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from configs import ae
from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from vae_jax import data, launch
from vae_jax.config import override
from vae_jax.evaluate import mse
from vae_jax.evaluate.linear_optimum import train_to_the_end
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
      error, error_at_the_end: MSE per pixel on train.
      angle, angle_at_the_end: the largest between the decoder's space and the axes', degrees.
      columns_KxD: the decoder's at the end, each of length 1.
    """

    error: float
    error_at_the_end: float
    angle: float
    angle_at_the_end: float
    columns_KxD: np.ndarray


def configs(dataset: str) -> list[ConfigDict]:
    """Latent sizes x seeds; a larger learning rate than usual, for these have to converge."""
    rate = 0.01 if dataset == "trees" else 0.02  # their batches are smaller
    linear = override(ae.get_config(f"{dataset},linear"), {"learning_rate": rate})
    return expand(linear, [[{"latent_size": size} for size in SIZES], list(sweep_seed())])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    train = flat(images.train.images) / images.source.max_value
    mean, axes = fit_pca(train)
    variances = ((train - mean) @ axes.T).var(0)
    floors = np.array([variances[size:].sum() / train.shape[1] for size in SIZES])
    fits = [[_fit(row, variances, axes) for row in select(rows, latent_size=size)] for size in SIZES]
    shown = fits[SIZES.index(SHOWN)][0].columns_KxD
    pictures = {
        "principal axes": axes[:SHOWN],
        "decoder's columns": shown,
        "nearest mixture of them": nearest_in_span(shown, axes[:SHOWN]),
    }
    pictures = {name: rows.reshape(SHOWN, *images.source.image_shape) for name, rows in pictures.items()}
    figure = linear_pca(
        SIZES,
        [estimate([fit.error for fit in seeds]) for seeds in fits],
        floors,
        {
            "as trained": [estimate([fit.angle for fit in seeds]) for seeds in fits],
            "at the end": [estimate([fit.angle_at_the_end for fit in seeds]) for seeds in fits],
        },
        pictures,
        dataset,
    )
    return Report({"linear_pca": figure}, _claims(fits, floors, axes))


def _fit(row: Row, variances_D: np.ndarray, axes_DxD: np.ndarray) -> Fit:
    trained = launch.load(row.run)
    error = float(mse(trained.model, trained.variables, trained.images("train")))
    (layer,) = trained.variables["params"]["decoder"].values()
    decoder = np.asarray(layer["kernel"], np.float64)
    last, squares = train_to_the_end(decoder, variances_D, axes_DxD)
    angles = [principal_angles(rows, axes_DxD[: len(rows)])[0] for rows in (decoder, last)]
    return Fit(error, squares / len(axes_DxD), *angles, last / np.linalg.norm(last, axis=1, keepdims=True))


def _turned(fit: Fit, axes_DxD: np.ndarray) -> float:
    """Returns the angle between a column and the principal axis nearest to it, degrees, the mean."""
    cosines = np.abs(fit.columns_KxD @ axes_DxD[: len(fit.columns_KxD)].T).max(1)
    return float(np.degrees(np.arccos(np.minimum(cosines, 1.0))).mean())


def _claims(fits: Sequence[Sequence[Fit]], floors: np.ndarray, axes: np.ndarray) -> list[Claim]:
    """`fits` has a row for each size and a column for each seed, `floors` a number for each size."""
    by_seed = list(zip(*fits, strict=True))
    ratios = [[fit.error / floor for fit, floor in zip(seed, floors, strict=True)] for seed in by_seed]
    ends = [
        [fit.error_at_the_end / floor for fit, floor in zip(seed, floors, strict=True)] for seed in by_seed
    ]
    return [
        Claim(
            "as trained, the error is near the sum of the discarded eigenvalues (error / sum, the largest)",
            estimate([max(seed) for seed in ratios]),
            at_most=1.01,
        ),
        Claim(
            "at the end it is that sum (how far error / sum is from 1, the largest)",
            estimate([round(max(abs(ratio - 1) for ratio in seed), 9) for seed in ends]),
            at_most=1e-6,
        ),
        Claim(
            "decoder and principal axes then span the same space (largest principal angle, degrees)",
            estimate([max(fit.angle_at_the_end for fit in seed) for seed in by_seed]),
            at_most=0.1,
        ),
        Claim(
            "by other axes (angle of the decoder's columns to the nearest, degrees, the least mean)",
            estimate([min(_turned(fit, axes) for fit in seed) for seed in by_seed]),
            at_least=10.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
