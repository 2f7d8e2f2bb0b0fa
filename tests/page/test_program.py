import base64
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from tests.page.models import autoencoder
from vae_jax import nets
from vae_jax.nets.base import Decoder
from vae_jax.page.program import UnknownStepError, encoded, program, size


def test_weights_are_the_decoders_parameters_and_no_others():
    model, variables = autoencoder("mlp", "tanh", "gaussian_learned")
    found = program(model, variables, 3)
    sizes = [math.prod(constant["shape"]) for constant in found["constants"]]
    assert sum(sizes) == sum(leaf.size for leaf in jax.tree.leaves(variables["params"]["decoder"]))
    assert size(found) == sum(4 * math.ceil(4 * n / 3) for n in sizes)
    assert found["steps"][-1]["shape"] == (1, 5, 6, 1)


def test_program_goes_through_json():
    model, variables = autoencoder("conv", "gelu", "bernoulli")
    found = program(model, variables, 3)
    assert json.loads(json.dumps(found))["steps"][-1]["op"] == "logistic"


def test_encoded_is_little_endian_float32():
    assert np.frombuffer(base64.b64decode(encoded(np.array([1.5, -2.0]))), "<f4").tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    ("forward", "told"),
    [
        (lambda x: jnp.sort(x), "operation 'sort'"),
        (lambda x: jnp.round(x).astype(jnp.int32).astype(jnp.float32), "'round'|type int32"),
        (lambda x: (x.T @ x)[:1], None),
        (lambda x: jnp.einsum("bi,bj->bij", x, x)[:, 0], "dot_general over"),
        (lambda x: jnp.tensordot(x, jnp.ones((30, 2, 15)), 1)[:, 0], "product of 3 axes"),
        (lambda x: jnp.multiply(*jnp.split(x, 2, axis=-1)), "'split', of several results"),
    ],
    ids=["sort", "whole numbers", "product of columns", "batched product", "many axes", "split"],
)
def test_what_the_page_does_not_know_is_refused_by_name(monkeypatch, forward, told):
    class Odd(Decoder):
        @nn.compact
        def __call__(self, codes):
            x = forward(nn.Dense(30)(codes))
            return nn.Dense(30)(x).reshape(-1, *self.image_shape)

    monkeypatch.setitem(nets.DECODERS, "odd", Odd)
    model, variables = autoencoder("odd", "relu", "bernoulli")
    if told is None:
        assert program(model, variables, 3)["steps"]
    else:
        with pytest.raises(UnknownStepError, match=told):
            program(model, variables, 3)


def test_images_of_two_channels_are_refused():
    model, variables = autoencoder("linear", "relu", "bernoulli", image_shape=(2, 2, 2))
    with pytest.raises(UnknownStepError, match="2 channels"):
        program(model, variables, 3)
