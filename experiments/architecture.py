"""What is an autoencoder made of? The post's Fig. 1, drawn from real models.

The post: the code is "a compressed representation of just the key features of the training data"
and "has a smaller size than the training data itself". So: encoder, code and decoder as they are,
every layer read from the parameters of a trained autoencoder with a code of 8 dimensions (a run of
latent_size), and below it those of the convolutional one, whose parameters are not trained here.

Claims, exact:
- the code is smaller than an image: at most a quarter of its values;
- no layer is narrower;
- what is drawn is what was trained: the layers' parameters are all that the run has.

    python -m experiments.architecture --workdir=results
    python -m experiments.architecture --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs import ae
from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from vae_jax import build, data, launch, model
from vae_jax.cost import state_shapes
from vae_jax.evaluate.architecture import Layer, layers
from vae_jax.figures.architecture import architecture
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

LATENT_SIZE = 8


def configs(dataset: str) -> list[ConfigDict]:
    """The autoencoder x seeds."""
    return expand(ae.get_config(dataset), [[{"latent_size": LATENT_SIZE}], list(sweep_seed())])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    shape = data.source(dataset).image_shape
    found = [_trained(row, shape) for row in rows]
    drawn = {
        f"{dataset}: autoencoder": found[0],
        f"{dataset}: convolutional autoencoder": _convolutional(dataset),
    }
    return Report({"architecture": architecture(drawn, shape)}, _claims(found, rows, shape))


def _trained(row: Row, image_shape: tuple[int, int, int]) -> list[Layer]:
    trained = launch.load(row.run)
    return layers(trained.model, trained.variables, image_shape)


def _convolutional(dataset: str) -> list[Layer]:
    """Returns the layers of the model that a run of this config would train."""
    task, shape = build.task(ae.get_config(f"{dataset},conv")), data.source(dataset).image_shape
    return layers(task.model, model.variables(state_shapes(task, shape).params, 1.0), shape)


def _claims(found: Sequence[list[Layer]], rows: Sequence[Row], shape: tuple[int, int, int]) -> list[Claim]:
    codes = [[layer for layer in one if layer.side == "encoder"][-1] for one in found]
    pixels = np.prod(shape)
    return [
        Claim(
            "the code is smaller than an image (values / values)",
            estimate([code.values / pixels for code in codes]),
            at_most=0.25,
        ),
        Claim(
            "no layer is narrower than the code (values of the code / of the narrowest)",
            estimate(
                [
                    code.values / min(layer.values for layer in one)
                    for code, one in zip(codes, found, strict=True)
                ]
            ),
            at_most=1.0,
        ),
        Claim(
            "what is drawn is what was trained (parameters drawn / parameters of the run, less 1)",
            estimate(
                [
                    abs(sum(layer.parameters for layer in one) / row.numbers["parameters"] - 1)
                    for one, row in zip(found, rows, strict=True)
                ]
            ),
            at_most=0.0,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
