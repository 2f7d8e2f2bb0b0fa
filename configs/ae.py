"""The plain autoencoder, Eq. 1-3 of the post: F = g(θX + b), X' = g(θ'F + b'), L = |X - X'|².

    python -m experiments.train --config=configs/ae.py --workdir=results
    python -m experiments.train --config=configs/ae.py:linear --workdir=results

On digits: test/mse 0.0119 per pixel, with `linear` 0.0274.

Arguments, joined by commas: a data set (digits, mnist, fashion_mnist, trees); `linear` for one layer
on each side and g = identity, which is a form of PCA; `conv` for convolutions; `smoke`.
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
    dataset, given = common.words(arg, ("conv", "linear"))
    config = common.base(dataset)
    config.update(binarize="none", posterior="delta", prior="none", objective="mse", beta=0.0)
    # With σ = 1, minus the log-likelihood is half the squared error, plus a constant.
    config.update(likelihood="gaussian", sigma=1.0)
    config.decoder.output_activation = "sigmoid"
    if "linear" in given:
        config.encoder.net = config.decoder.net = "linear"
        config.bottleneck_width = 0
        config.decoder.output_activation = "identity"
    if "conv" in given:
        common.use_convolutions(config)
    return common.smoke(config) if "smoke" in given else config
