"""Autoencoders "were originally designed as a form of data compression": bits against error.

The post: the latent space "is useful in data compression algorithms because it has a smaller size
than the training data itself". So: the codes of autoencoders of several latent sizes, each number
rounded to 2 to 8 bits (by steps of its own, or by the same step for all), and the bits that an
arithmetic coder needs for them with the shares of the training codes as its table; against the error
per pixel of what is decoded from the rounded codes. Beside it PCA, rounded and coded the same ways;
PNG, which loses nothing; JPEG and WebP at several qualities, all test images in one file so that no
image pays for the file's header. What the model itself takes is not counted, neither decoder nor
principal axes. The runs are those of latent_size.

Claims, interpolated between the points of each that no other of it beats:
- at the error of 8 principal components the autoencoder needs fewer bits than PCA;
- and at most a quarter of those of PNG;
- no JPEG has both fewer bits and a smaller error than the autoencoder (the autoencoder's bits at
  the error of each JPEG, or at its own smallest, / the JPEG's; the largest).

    python -m experiments.compression --workdir=results
    python -m experiments.compression --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs import ae
from configs.common import sweep_latent_size, sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from vae_jax import data, launch
from vae_jax.evaluate import codes
from vae_jax.evaluate.decoded import decoded
from vae_jax.evaluate.image_files import compress
from vae_jax.evaluate.nearest import flat
from vae_jax.evaluate.pca import fit_pca, pca_mse
from vae_jax.evaluate.quantize import bits_at, code_length, dequantize, fit_grid, frontier, quantize
from vae_jax.figures.compression import compression
from vae_jax.results import Row, select
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

Points = list[tuple[float, float]]  # (bits of an image, mean squared error per pixel)

BITS = (2, 3, 4, 5, 6, 8)  # of one number of a code
COMPONENTS = 8  # of PCA at whose error the bits are compared
ASKED = 1000  # test images that are compressed, the first ones
QUALITIES = (1, 5, 10, 20, 30, 50, 70, 90)  # of JPEG and WebP


def configs(dataset: str) -> list[ConfigDict]:
    """The autoencoder x latent sizes x seeds."""
    return expand(ae.get_config(dataset), [list(sweep_latent_size()), list(sweep_seed())])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    train, test = (split.images / images.source.max_value for split in (images.train, images.test))
    test = test[:ASKED]
    sizes = sorted({row.fields["latent_size"] for row in rows})
    seeds = [select(rows, seed=seed) for seed in sorted({row.fields["seed"] for row in rows})]
    auto = [[point for row in runs for point in _autoencoder(row)] for runs in seeds]
    pca = _pca(flat(train), flat(test), [*sizes, 2 * sizes[-1]])
    files = {kind: _files(test, kind) for kind in ("JPEG", "WebP")}
    png, _ = compress(_bytes(test), "PNG", optimize=True)
    curves = {"autoencoder": auto, "PCA": [pca], **{kind: [points] for kind, points in files.items()}}
    fronts = {name: [frontier(points) for points in runs] for name, runs in curves.items()}
    (error,) = pca_mse(train, test, [COMPONENTS])
    figure = compression(fronts, png, test[0].size * 8, error, COMPONENTS, f"{dataset}, test")
    return Report({"compression": figure}, _claims(auto, pca, files["JPEG"], png, error))


def _autoencoder(row: Row) -> Points:
    trained = launch.load(row.run)
    model = trained.model, trained.variables
    test = trained.images("test")[:ASKED]
    known, asked = codes(*model, trained.images("train")), codes(*model, test)
    return _rounded(known, asked, test, lambda z: decoded(*model, z))


def _pca(train_NxD: np.ndarray, test_MxD: np.ndarray, components: Sequence[int]) -> Points:
    mean, axes = fit_pca(train_NxD)
    points = []
    for kept in (axes[:k] for k in components if k <= len(axes)):
        known, asked = ((images - mean) @ kept.T for images in (train_NxD, test_MxD))
        points += _rounded(known, asked, test_MxD, lambda z, kept=kept: mean + z @ kept)
    return points


def _rounded(known: np.ndarray, asked: np.ndarray, images: np.ndarray, rebuild) -> Points:
    """Returns a point for each grid: the codes `asked` of `images`, coded as `known` ones are spread."""
    points = []
    for grid in (fit_grid(known, bits, one_step) for bits in BITS for one_step in (False, True)):
        symbols = quantize(grid, asked)
        error = ((rebuild(dequantize(grid, symbols)) - images) ** 2).mean()
        points.append((code_length(quantize(grid, known), symbols, grid.cells), float(error)))
    return points


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.round(255 * images).astype(np.uint8)


def _files(images: np.ndarray, kind: str) -> Points:
    best = {"JPEG": {"optimize": True}, "WebP": {"method": 6}}[kind]  # the smallest files
    return [compress(_bytes(images), kind, quality=quality, **best) for quality in QUALITIES]


def _claims(auto: Sequence[Points], pca: Points, jpeg: Points, png: float, error: float) -> list[Claim]:
    """`auto` has the points of each seed; `error` is that of PCA, not rounded."""
    at_error = [bits_at(points, error) for points in auto]
    return [
        Claim(
            f"at the error of {COMPONENTS} principal components: bits / bits of PCA",
            estimate([bits / bits_at(pca, error) for bits in at_error]),
            at_most=1.0,
        ),
        Claim(
            f"at the error of {COMPONENTS} principal components: bits / bits of PNG, which loses nothing",
            estimate([bits / png for bits in at_error]),
            at_most=0.25,
        ),
        Claim(
            "at the error of each JPEG, or at its own smallest: bits / bits of the JPEG, the largest",
            estimate([_against(points, jpeg) for points in auto]),
            at_most=1.0,
        ),
    ]


def _against(points: Points, others: Points) -> float:
    """Returns the largest ratio of bits at the errors of others, or at the smallest of the points."""
    smallest = min(error for _, error in points)
    return max(bits_at(points, max(error, smallest)) / bits for bits, error in others)


if __name__ == "__main__":
    study.run(sys.modules[__name__])
