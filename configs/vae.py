"""The variational autoencoder of Kingma & Welling (2014): Gaussian posterior, Bernoulli pixels.

    python -m experiments.train --config=configs/vae.py --workdir=results
    python -m experiments.train --config=configs/vae.py:grey --workdir=results
    python -m experiments.train --config=configs/vae.py:trees,smooth --workdir=results

On digits: test/nll 22.8 nats and test/knn_accuracy 0.86; with `grey` test/mse 0.0117 per pixel and
test/nll -35.5 (a density of real pixels, so it can be negative). On trees with `grey` test/mse 0.0044
and test/kl 35.1, with `smooth` 0.0049 and 12.3.

Arguments, joined by commas: a data set (digits, mnist, fashion_mnist, trees); `grey` for real-valued
pixels under a Gaussian likelihood of learned σ; `smooth` for one of fixed σ, which suits large images:
there a learned one gets so small that the codes leave most of the prior empty, and what is decoded
from there is noise; `conv` for convolutions; `smoke` for seconds.
"""

from ml_collections import ConfigDict

from configs import common
from configs.common import (  # noqa: F401 (named searches and sweeps)
    search_sizes,
    search_training,
    sweep_bottleneck_width,
    sweep_latent_size,
    sweep_learning_rate,
    sweep_seed,
)


def get_config(arg: str = "") -> ConfigDict:
    dataset, given = common.words(arg, ("conv", "grey", "smooth"))
    config = common.base(dataset)
    if given & {"grey", "smooth"}:
        config.update(binarize="none", likelihood="gaussian_learned", sigma=0.3)
        config.decoder.output_activation = "sigmoid"
    if "smooth" in given:
        config.update(likelihood="gaussian", sigma=0.5)
        # Else weights that no image needs stay as random as they were. Trees have four times the steps.
        config.optimizer.weight_decay = 0.1 if dataset == "trees" else 0.3
    if "conv" in given:
        common.use_convolutions(config)
    return common.smoke(config) if "smoke" in given else config


def sweep_beta():
    """Weight of the KL term: below 1 favours reconstruction, above 1 a simple code."""
    for beta in (0.25, 0.5, 1.0, 2.0, 4.0):
        yield {"beta": beta}
