"""What does β trade? The rate-distortion plane of Alemi et al. (2018), "Fixing a Broken ELBO".

Rate is KL(q(z|x)‖p(z)), what the code costs; distortion is -log p(x|z), what is lost; their sum is
minus the ELBO, so that models of the same ELBO lie on a diagonal. A sweep over the weight β of the
rate walks along the frontier. At no rate the best model has independent pixels.

Claims, on test, seed by seed:
- the rate falls with every step of β (the change, the largest);
- the distortion rises with every step of β (the change, the smallest);
- no other β has a better ELBO than β = 1, which is trained for it.

    python -m experiments.rate_distortion --workdir=results
    python -m experiments.rate_distortion --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs import common, vae
from configs.common import sweep_seed
from configs.vae import sweep_beta
from experiments import study
from experiments.claims import Claim, Report
from vae_jax import launch
from vae_jax.config import override
from vae_jax.evaluate.independent import independent_pixels
from vae_jax.figures.rate_distortion import rate_distortion
from vae_jax.results import Row, by_seed
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand


def configs(dataset: str) -> list[ConfigDict]:
    """Weights of the KL term x seeds, on Bernoulli pixels: distortion cannot be less than 0."""
    changes = {"latent_size": 10, "num_epochs": common.NUM_EPOCHS[dataset] // 2}
    return expand(override(vae.get_config(dataset), changes), [sweep_beta(), sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    betas, rates_BxS = by_seed(rows, "test/kl", by="beta")
    distortions_BxS = by_seed(rows, "test/reconstruction", by="beta")[1]
    trained = launch.load(rows[0].run)
    grey = trained.dataset.train.images / trained.dataset.source.max_value
    without_code = independent_pixels(grey, trained.images("test"))
    curve = ([estimate(seeds) for seeds in values] for values in (rates_BxS, distortions_BxS))
    figure = rate_distortion(betas, *curve, without_code, dataset)
    return Report({"rate_distortion": figure}, _claims(betas, rates_BxS, distortions_BxS))


def _claims(betas: Sequence[float], rates_BxS: np.ndarray, distortions_BxS: np.ndarray) -> list[Claim]:
    elbos_BxS = -rates_BxS - distortions_BxS
    plain = betas.index(1.0)
    others_BxS = np.delete(elbos_BxS, plain, axis=0)
    return [
        Claim(
            "the rate falls as β rises (change of KL on doubling β, nats, the largest)",
            estimate(np.diff(rates_BxS, axis=0).max(0)),
            at_most=0.0,
        ),
        Claim(
            "the distortion rises (change of −log p(x|z) on doubling β, nats, the smallest)",
            estimate(np.diff(distortions_BxS, axis=0).min(0)),
            at_least=0.0,
        ),
        Claim(
            "β = 1 has the best ELBO (its ELBO − the best other, nats)",
            estimate(elbos_BxS[plain] - others_BxS.max(0)),
            at_least=0.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
