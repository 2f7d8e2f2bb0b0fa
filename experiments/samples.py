"""How good are samples from the prior, by latent size? Kingma & Welling (2014), Fig. 5.

The figure shows the mean of p(x|z) for each z drawn from the prior, of the first seed, as theirs
does; their sizes are 2, 5, 10 and 20, here they are those of the other studies. Such samples are laid
among as many test images: how often is the nearest other image of the same kind, real or sampled?
That is asked of real images and of samples, and the larger share counts: about 0.5 if nothing tells
them apart, 1 if one kind is always known. The same is asked of samples whose z comes from q(z|x) of
validation images: these lie where the prior should.

Claims:
- no size makes perfect samples: one kind is known at least six times in ten (the smallest share);
- at the largest size the prior is to blame in part: from the codes of images they are better.

    python -m experiments.samples --workdir=results
    python -m experiments.samples --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_latent_size, sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families
from vae_jax import launch
from vae_jax.evaluate.codes import posterior
from vae_jax.evaluate.decoded import decoded
from vae_jax.evaluate.two_sample import own_kind
from vae_jax.figures import sheets
from vae_jax.results import Row, group
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

NOTE = "told for what they are, of samples or of test images: z from the prior, as shown; z from images"
SIDE = 8  # images a row of a sheet
COMPARED = 1000  # real images and samples, at most


def configs(dataset: str) -> list[ConfigDict]:
    """Latent sizes x seeds."""
    return expand(families(dataset)["VAE"], [sweep_latent_size(), sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    of_size = {size: own for (size,), own in group(rows, ["latent_size"]).items()}
    told = {size: np.array([_told_apart(row) for row in own]) for size, own in of_size.items()}
    panels = {_title(size, told[size]): _sheet(own[0]) for size, own in of_size.items()}
    return Report({"samples": sheets.samples(panels, NOTE)}, _claims(np.array(list(told.values()))))


def _title(size: int, told_Sx2: np.ndarray) -> str:
    prior, images = (estimate(seeds) for seeds in told_Sx2.T)
    return f"{size} dimensions\nprior {prior}\nimages {images}"


def _prior(trained: launch.Trained, row: Row, count: int) -> jax.Array:
    return trained.model.prior.sample(jax.random.key(0), (count, row.fields["latent_size"]))


def _sheet(row: Row) -> np.ndarray:
    """Returns SIDE rows of SIDE means."""
    trained = launch.load(row.run)
    means = np.asarray(decoded(trained.model, trained.variables, _prior(trained, row, SIDE**2)))
    return means.reshape(SIDE, SIDE, *means.shape[1:])


def _told_apart(row: Row) -> list[float]:
    """Returns how often the better known kind is known: z from the prior, z from images."""
    trained = launch.load(row.run)
    given = trained.model, trained.variables
    real, others = trained.images("test")[:COMPARED], trained.images("valid")[:COMPARED]
    codes = _prior(trained, row, len(real)), posterior(*given, others).sample(jax.random.key(0))
    flat = real.reshape(len(real), -1)
    samples = (np.asarray(decoded(*given, z)).reshape(len(z), -1) for z in codes)
    return [max(own_kind(flat, one)) for one in samples]


def _claims(told_LxSx2: np.ndarray) -> list[Claim]:
    """Latent sizes, the smallest first, x seeds x z from the prior and z from images."""
    prior_LxS, images_LxS = told_LxSx2[..., 0], told_LxSx2[..., 1]
    return [
        Claim(
            "samples are told from real images, at every latent size (how often; the smallest; 0.5 is never)",
            estimate(prior_LxS.min(0)),
            at_least=0.6,
        ),
        Claim(
            "codes of images make better ones than the prior's (difference, at the largest size)",
            estimate(prior_LxS[-1] - images_LxS[-1]),
            at_least=0.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
