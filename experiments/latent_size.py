"""How small can the code be? Reconstruction against latent size.

The post: the objective of an autoencoder is "to use a minimal number of nodes in the hidden layer
to represent the input with sufficient resolution that it could be perfectly recreated". So:
autoencoder and VAE at several latent sizes, beside PCA, which is the best that a linear code of
the same size can do. One error compares all three: the mean squared error per pixel on test.

Claims, each the worst case over latent sizes, seed by seed:
- the autoencoder beats PCA at every size;
- each doubling of the code lowers its error;
- more dimensions never hurt the VAE's bound on log p(x) (Kingma & Welling 2014, Fig. 2).

    python -m experiments.latent_size --workdir=results
    python -m experiments.latent_size --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_latent_size, sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families, of_family
from vae_jax import data
from vae_jax.evaluate.pca import pca_mse
from vae_jax.figures import curves
from vae_jax.results import Row, by_seed
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand


def configs(dataset: str) -> list[ConfigDict]:
    """Both families x latent sizes x seeds."""
    sweeps = [list(sweep_latent_size()), list(sweep_seed())]
    return [config for family in families(dataset).values() for config in expand(family, sweeps)]


def report(dataset: str, rows: Sequence[Row]) -> Report:
    runs = {name: of_family(rows, family) for name, family in families(dataset).items()}
    sizes, _ = by_seed(runs["VAE"], "test/mse", by="latent_size")
    errors = {name: by_seed(runs[name], "test/mse", by="latent_size")[1] for name in runs}
    nll = by_seed(runs["VAE"], "test/nll", by="latent_size")[1]
    elbo = by_seed(runs["VAE"], "test/elbo", by="latent_size")[1]
    bounds = {f"−log p(x), k = {rows[0].iwae_samples}": nll, "−ELBO": -elbo}
    pca = _pca(dataset, sizes)
    figure = curves.latent_size(sizes, _estimates(errors), pca, _estimates(bounds), dataset)
    return Report({"latent_size": figure}, _claims(sizes, errors["autoencoder"], pca, nll))


def _pca(dataset: str, sizes: Sequence[int]) -> np.ndarray:
    images = data.load(dataset)
    train, test = (split.images / images.source.max_value for split in (images.train, images.test))
    return np.array(pca_mse(train, test, list(sizes)))


def _estimates(curves_by_seed: dict[str, np.ndarray]) -> dict[str, list]:
    return {name: [estimate(seeds) for seeds in values] for name, values in curves_by_seed.items()}


def _claims(sizes: Sequence[int], auto: np.ndarray, pca: np.ndarray, nll: np.ndarray) -> list[Claim]:
    """`auto` and `nll` have a row for each latent size and a column for each seed."""
    return [
        Claim(
            "the autoencoder beats PCA at every latent size (its error / PCA's, the largest)",
            estimate((auto / pca[:, None]).max(0)),
            at_most=1.0,
        ),
        Claim(
            f"each doubling of the code up to {sizes[-1]} lowers its error (after / before, the largest)",
            estimate((auto[1:] / auto[:-1]).max(0)),
            at_most=1.0,
        ),
        Claim(
            "more dimensions never hurt the VAE (change of −log p(x) on doubling, nats, the largest)",
            estimate((nll[1:] - nll[:-1]).max(0)),
            at_most=0.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
