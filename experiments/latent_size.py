"""How small can the code be? Reconstruction against latent size.

The post: the latent space holds "a minimal number of nodes in the hidden layer to represent
the input with sufficient resolution that it could be perfectly recreated". So: autoencoder and
variational autoencoder at several latent sizes, beside PCA, which is the best that a linear
code of the same size can do. The images are grey, and the VAE's likelihood is Gaussian with a
learned σ, so that one error, the mean squared error per pixel on test, compares all three.

    python -m experiments.latent_size --workdir=results                   about 2 minutes
    python -m experiments.latent_size --dataset=mnist --workdir=results   about 20 minutes
"""

import itertools
from collections.abc import Callable, Sequence

from ml_collections import ConfigDict

from configs import ae, common, vae
from experiments import cli, study
from experiments.study import Claim, Report
from vae_jax import data
from vae_jax.evaluate.pca import pca_mse
from vae_jax.figures import curves
from vae_jax.results import Row, over_seeds, select
from vae_jax.statistics import Estimate, estimate
from vae_jax.sweeps import expand

FAMILIES = {"autoencoder": "delta", "VAE": "gaussian"}  # name -> its posterior


def configs(dataset: str) -> list[ConfigDict]:
    """Both families x latent sizes x seeds."""
    families = (ae.get_config(dataset), vae.get_config(f"{dataset},grey"))
    sweeps = [list(common.sweep_latent_size()), list(common.sweep_seed())]
    return [config for family in families for config in expand(family, sweeps)]


def report(dataset: str, rows: Sequence[Row]) -> Report:
    sizes = sorted({row.fields["latent_size"] for row in rows})
    pca = dict(zip(sizes, _pca(dataset, sizes), strict=True))
    errors = {name: _curve(rows, name, sizes, "test/mse") for name in FAMILIES}
    bounds = {
        f"−log p(x), k = {rows[0].iwae_samples}": _curve(rows, "VAE", sizes, "test/nll"),
        "−ELBO": [_negative(e) for e in _curve(rows, "VAE", sizes, "test/elbo")],
    }
    figure = curves.latent_size(sizes, errors, list(pca.values()), bounds, dataset)
    return Report({"latent_size": figure}, _claims(rows, sizes, pca))


def _curve(rows: Sequence[Row], family: str, sizes: Sequence[int], number: str) -> list[Estimate]:
    chosen = select(rows, posterior=FAMILIES[family])
    return [over_seeds(select(chosen, latent_size=size), number) for size in sizes]


def _negative(value: Estimate) -> Estimate:
    return value._replace(mean=-value.mean)


def _pca(dataset: str, sizes: Sequence[int]) -> list[float]:
    images = data.load(dataset)
    scale = images.source.max_value
    return pca_mse(images.train.images / scale, images.test.images / scale, list(sizes))


def _claims(rows: Sequence[Row], sizes: Sequence[int], pca: dict[int, float]) -> list[Claim]:
    errors = {name: _by_seed(rows, name, "test/mse") for name in FAMILIES}
    nlls = _by_seed(rows, "VAE", "test/nll")
    small = [size for size in sizes if size <= 8]
    pairs = list(zip(errors["autoencoder"], errors["VAE"], strict=True))
    return [
        Claim(
            f"the autoencoder beats PCA at each size up to {small[-1]} (largest of its error / PCA's)",
            estimate([max(seed[size] / pca[size] for size in small) for seed in errors["autoencoder"]]),
            at_most=1.0,
        ),
        Claim(
            f"each doubling of its code up to {sizes[-1]} lowers its error (largest of error after / before)",
            estimate(_worst_doubling(errors["autoencoder"], sizes, lambda a, b: b / a)),
            at_most=1.0,
        ),
        Claim(
            f"a VAE of learned σ rebuilds as well at each size up to {small[-1]} (largest of its error / the "
            "autoencoder's)",
            estimate([max(v[size] / a[size] for size in small) for a, v in pairs]),
            at_most=1.1,
        ),
        Claim(
            "more dimensions than needed do not hurt the VAE (largest rise of −log p(x) on doubling, nats)",
            estimate(_worst_doubling(nlls, sizes, lambda a, b: b - a)),
            at_most=1.0,
        ),
    ]


def _worst_doubling(
    seeds: Sequence[dict[int, float]], sizes: Sequence[int], change: Callable[[float, float], float]
) -> list[float]:
    """Returns, for each seed, the largest change from one latent size to the next."""
    return [max(change(seed[a], seed[b]) for a, b in itertools.pairwise(sizes)) for seed in seeds]


def _by_seed(rows: Sequence[Row], family: str, number: str) -> list[dict[int, float]]:
    """Returns, for each seed, latent size -> the number."""
    chosen = select(rows, posterior=FAMILIES[family])
    seeds = sorted({row.fields["seed"] for row in chosen})
    return [
        {row.fields["latent_size"]: row.numbers[number] for row in select(chosen, seed=seed)}
        for seed in seeds
    ]


if __name__ == "__main__":
    import sys

    cli.run(lambda argv: study.main({"latent_size": sys.modules[__name__]}, argv, __doc__))
