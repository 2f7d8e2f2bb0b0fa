import jax
import numpy as np
import pytest

from configs import ae, vae
from vae_jax import build, data
from vae_jax.config import override
from vae_jax.cost import count, state_shapes
from vae_jax.evaluate.architecture import layers
from vae_jax.model import variables

SHAPE = data.source("mnist").image_shape


def found(config):
    task = build.task(config)
    params = state_shapes(task, SHAPE).params
    return layers(task.model, variables(params, 1.0), SHAPE), params


def test_layers_of_an_mlp_are_those_of_its_config():
    changes = {
        "latent_size": 3,
        "bottleneck_width": 20,
        "encoder.hidden_sizes": (50,),
        "decoder.hidden_sizes": (50,),
    }
    read, _ = found(override(ae.get_config("mnist"), changes))
    assert [(layer.side, layer.shape) for layer in read] == [
        *(("encoder", (width,)) for width in (50, 20, 3)),
        *(("decoder", (width,)) for width in (20, 50, 784)),
    ]
    assert [layer.parameters for layer in read[:3]] == [784 * 50 + 50, 50 * 20 + 20, 20 * 3 + 3]
    assert {layer.kind for layer in read} == {"Dense"}


def test_layers_of_convolutions_stand_in_the_order_in_which_an_image_passes_them():
    read, _ = found(override(ae.get_config("mnist,conv"), {"latent_size": 3}))
    assert [(layer.kind, layer.shape) for layer in read] == [
        *(("Conv", (14, 14, 32)), ("Conv", (7, 7, 64)), ("Dense", (256,)), ("Dense", (3,))),
        *(
            ("Dense", (256,)),
            ("Dense", (3136,)),
            ("ConvTranspose", (14, 14, 32)),
            ("ConvTranspose", (28, 28, 1)),
        ),
    ]
    assert read[0].values == 14 * 14 * 32


@pytest.mark.parametrize(
    "config", [ae.get_config("mnist,conv"), ae.get_config("mnist,linear"), vae.get_config("mnist")]
)
def test_layers_have_all_parameters_of_encoder_and_decoder(config):
    read, params = found(config)
    assert sum(layer.parameters for layer in read) == count(params)


def test_learned_sigma_is_no_layer():
    read, params = found(vae.get_config("mnist,grey"))
    assert sum(layer.parameters for layer in read) == count(params) - 1


def test_arrays_are_read_as_their_shapes_are():
    task = build.task(ae.get_config("mnist"))
    params = state_shapes(task, SHAPE).params
    arrays = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), params)
    assert layers(task.model, variables(arrays, 1.0), SHAPE) == layers(
        task.model, variables(params, 1.0), SHAPE
    )
