import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.nets import ACTIVATIONS, DECODERS, ENCODERS
from vae_jax.nets.mlp import LinearDecoder, LinearEncoder, MLPDecoder, MLPEncoder

few = settings(max_examples=10, deadline=None)
image_shapes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
widths = st.lists(st.integers(1, 6), max_size=3).map(tuple)


def trunk(**changes):
    identity = ACTIVATIONS["identity"]
    default = {
        "bottleneck_width": 3,
        "hidden_sizes": (),
        "activation": nn.tanh,
        "output_activation": identity,
    }
    return default | changes


def dense(x, layer, g=lambda x: x):
    return g(x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"]))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def initialised(net, example):
    """Returns random parameters, biases too, so that a forgotten one shows."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), example)["params"]
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), shapes)


@pytest.fixture
def images():
    return np.random.default_rng(1).uniform(size=(4, 3, 2, 2)).astype(np.float32)


def test_encoder_layers_are_eq_1(images):
    net = MLPEncoder(output_size=2, **trunk(hidden_sizes=(6, 5), output_activation=nn.sigmoid))
    params = initialised(net, images)
    x = images.reshape(4, 12)
    for name in ("Dense_0", "Dense_1", "Dense_2"):
        x = dense(x, params[name], np.tanh)
    expected = dense(x, params["Dense_3"], sigmoid)
    np.testing.assert_allclose(net.apply({"params": params}, images), expected, rtol=1e-5)
    assert [params[f"Dense_{i}"]["kernel"].shape[1] for i in range(4)] == [6, 5, 3, 2]


def test_decoder_layers_are_eq_2_mirrored():
    net = MLPDecoder(image_shape=(3, 2, 2), **trunk(hidden_sizes=(6, 5), output_activation=nn.sigmoid))
    codes = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    params = initialised(net, codes)
    x = codes
    for name in ("Dense_0", "Dense_1", "Dense_2"):
        x = dense(x, params[name], np.tanh)
    expected = dense(x, params["Dense_3"], sigmoid).reshape(4, 3, 2, 2)
    np.testing.assert_allclose(net.apply({"params": params}, codes), expected, rtol=1e-5)
    assert [params[f"Dense_{i}"]["kernel"].shape[1] for i in range(4)] == [3, 5, 6, 12]


def test_linear_encoder_is_one_layer(images):
    net = LinearEncoder(output_size=2, **trunk())
    params = initialised(net, images)
    assert list(params) == ["Dense_0"]
    expected = dense(images.reshape(4, 12), params["Dense_0"])
    np.testing.assert_allclose(net.apply({"params": params}, images), expected, rtol=1e-5)


def test_linear_decoder_is_one_layer_and_its_output_activation():
    net = LinearDecoder(image_shape=(3, 2, 2), **trunk(output_activation=nn.sigmoid))
    codes = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    params = initialised(net, codes)
    assert list(params) == ["Dense_0"]
    expected = dense(codes, params["Dense_0"], sigmoid).reshape(4, 3, 2, 2)
    np.testing.assert_allclose(net.apply({"params": params}, codes), expected, rtol=1e-5)


@pytest.mark.parametrize("net", ["linear", "mlp"])
@given(image_shapes, widths, st.integers(1, 4), st.integers(1, 3))
@few
def test_any_image_is_encoded_and_decoded_to_its_shape(net, image_shape, hidden_sizes, size, batch):
    fields = trunk(hidden_sizes=hidden_sizes)
    images = jax.ShapeDtypeStruct((batch, *image_shape), jnp.float32)
    codes = jax.ShapeDtypeStruct((batch, size), jnp.float32)
    encoder = ENCODERS[net](output_size=size, **fields)
    decoder = DECODERS[net](image_shape=image_shape, **fields)
    outputs, _ = jax.eval_shape(encoder.init_with_output, jax.random.key(0), images)
    rebuilt, _ = jax.eval_shape(decoder.init_with_output, jax.random.key(0), codes)
    assert (outputs.shape, rebuilt.shape) == ((batch, size), (batch, *image_shape))


def test_encoder_flattens_in_the_order_in_which_the_decoder_unflattens():
    image_shape = (2, 3, 2)
    size = math.prod(image_shape)
    identity = {"params": {"Dense_0": {"kernel": jnp.eye(size), "bias": jnp.zeros(size)}}}
    images = jnp.arange(2.0 * size).reshape(2, *image_shape)
    codes = LinearEncoder(output_size=size, **trunk()).apply(identity, images)
    rebuilt = LinearDecoder(image_shape=image_shape, **trunk()).apply(identity, codes)
    np.testing.assert_array_equal(rebuilt, images)


REFERENCES = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "identity": lambda x: x,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_activation_is_what_its_name_says(name):
    x = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(ACTIVATIONS[name](jnp.asarray(x)), REFERENCES[name](x), rtol=1e-5, atol=1e-6)
