import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vae_jax.nets.conv import ConvDecoder, ConvEncoder, halvings

few = settings(max_examples=20, deadline=None)
image_shapes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
channels = st.lists(st.integers(1, 5), min_size=1, max_size=6).map(tuple)


def trunk(hidden_sizes):
    return {
        "bottleneck_width": 3,
        "hidden_sizes": hidden_sizes,
        "activation": nn.tanh,
        "output_activation": lambda x: x,
    }


@pytest.mark.parametrize(
    ("side", "sides"), [(28, [28, 14, 7, 4]), (8, [8, 4, 2, 1]), (1, [1, 1, 1, 1]), (13, [13, 7, 4, 2])]
)
def test_halvings_round_up(side, sides):
    assert halvings(side, 3) == sides


@given(image_shapes, channels)
@example((28, 28, 1), (32, 64))
@example((1, 1, 1), (2, 2, 2))
@few
def test_any_image_is_decoded_to_its_shape(image_shape, hidden_sizes):
    codes = jax.ShapeDtypeStruct((2, 4), jnp.float32)
    decoder = ConvDecoder(image_shape=image_shape, **trunk(hidden_sizes))
    rebuilt, _ = jax.eval_shape(decoder.init_with_output, jax.random.key(0), codes)
    assert rebuilt.shape == (2, *image_shape)


@given(image_shapes, channels)
@few
def test_encoder_halves_the_sides_as_the_decoder_expects(image_shape, hidden_sizes):
    images = jax.ShapeDtypeStruct((2, *image_shape), jnp.float32)
    encoder = ConvEncoder(output_size=4, **trunk(hidden_sizes))
    outputs, variables = jax.eval_shape(encoder.init_with_output, jax.random.key(0), images)
    smallest = [halvings(side, len(hidden_sizes))[-1] for side in image_shape[:2]]
    assert outputs.shape == (2, 4)
    assert variables["params"]["Dense_0"]["kernel"].shape == (np.prod(smallest) * hidden_sizes[-1], 3)


def test_hidden_sizes_are_channels_from_the_image_inwards():
    encoder = ConvEncoder(output_size=4, **trunk((5, 7)))
    decoder = ConvDecoder(image_shape=(8, 8, 1), **trunk((5, 7)))
    enc = jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)))["params"]
    dec = jax.eval_shape(decoder.init, jax.random.key(0), jnp.zeros((1, 4)))["params"]
    assert [enc[f"Conv_{i}"]["kernel"].shape for i in range(2)] == [(3, 3, 1, 5), (3, 3, 5, 7)]
    assert [dec[f"ConvTranspose_{i}"]["kernel"].shape for i in range(2)] == [(3, 3, 7, 5), (3, 3, 5, 1)]
    assert [dec[f"Dense_{i}"]["kernel"].shape for i in range(2)] == [(4, 3), (3, 2 * 2 * 7)]


def random_like(shapes):
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), shapes)


def test_every_pixel_of_odd_sides_reaches_the_code():
    encoder = ConvEncoder(output_size=4, **trunk((3, 2)))
    image = random_like(jax.ShapeDtypeStruct((1, 5, 7, 2), jnp.float32))
    variables = random_like(jax.eval_shape(encoder.init, jax.random.key(0), image))
    gradient = jax.jit(jax.grad(lambda image: encoder.apply(variables, image)[0, 0]))(image)
    assert (gradient != 0).all()


def test_code_reaches_every_pixel_of_odd_sides():
    decoder = ConvDecoder(image_shape=(5, 7, 2), **trunk((3, 2)))
    code = random_like(jax.ShapeDtypeStruct((1, 4), jnp.float32))
    variables = random_like(jax.eval_shape(decoder.init, jax.random.key(0), code))
    decode = functools.partial(decoder.apply, variables)
    _, change = jax.jit(lambda code: jax.jvp(decode, (code,), (code,)))(code)
    assert change.shape == (1, 5, 7, 2)
    assert (change != 0).all()


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_output_activation_is_applied_last(side):
    fields = trunk((2,)) | {"output_activation": nn.sigmoid}
    encoder, decoder = ConvEncoder(output_size=2, **fields), ConvDecoder(image_shape=(4, 4, 1), **fields)
    net, shape = {"encoder": (encoder, (8, 4, 4, 1)), "decoder": (decoder, (8, 2))}[side]

    x = random_like(jax.ShapeDtypeStruct(shape, jnp.float32))
    variables = random_like(jax.eval_shape(net.init, jax.random.key(0), x))
    linear = net.clone(output_activation=lambda x: x)
    np.testing.assert_allclose(
        jax.jit(net.apply)(variables, x), nn.sigmoid(jax.jit(linear.apply)(variables, x)), rtol=1e-6
    )
