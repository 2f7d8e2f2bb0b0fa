import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from vae_jax.nets.strided import Conv, ConvTranspose, windows

PAIRS = {
    "Conv": (Conv, functools.partial(nn.Conv, kernel_size=(3, 3), strides=2)),
    "ConvTranspose": (ConvTranspose, functools.partial(nn.ConvTranspose, kernel_size=(3, 3), strides=(2, 2))),
}


class Net(nn.Module):
    """Two layers of one kind, with names of flax's choice."""

    layer: type[nn.Module] | functools.partial

    @nn.compact
    def __call__(self, x):
        x = nn.tanh(self.layer(features=2)(x))
        return self.layer(features=5)(x)


def normal(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pulled_back(function, x, kernel):
    """Returns a function's value, and gradients by images and kernel of a sum that weights each number."""
    value, back = jax.vjp(function, x, kernel)
    return value, *back(jnp.cos(jnp.arange(value.size, dtype=jnp.float32)).reshape(value.shape))


def assert_equal_to_rounding(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6 * np.abs(theirs).max())


@pytest.mark.parametrize("kind", PAIRS)
def test_parameters_are_those_of_flax_bit_by_bit(kind):
    x, key = normal((2, 5, 4, 3)), jax.random.key(3)
    ours, theirs = (jax.jit(Net(layer).init)(key, x) for layer in PAIRS[kind])
    assert sorted(ours["params"]) == [f"{kind}_0", f"{kind}_1"]
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize(
    ("image_shape", "features"), [((2, 8, 6, 1), 3), ((2, 7, 5, 4), 1), ((3, 1, 1, 2), 2), ((1, 2, 9, 3), 2)]
)
def test_layer_and_its_gradients_are_those_of_flax(kind, image_shape, features):
    ours, theirs = (layer(features=features) for layer in PAIRS[kind])
    x, kernel, bias = normal(image_shape), normal((3, 3, image_shape[-1], features), 1), normal(features, 2)

    def apply(layer, x, kernel):
        return layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)

    found, expected = (
        jax.jit(functools.partial(pulled_back, functools.partial(apply, layer)))(x, kernel)
        for layer in (ours, theirs)
    )
    assert_equal_to_rounding(found, expected)


@pytest.mark.parametrize("layer", [Conv, ConvTranspose])
@pytest.mark.parametrize("sides", [(6, 4), (7, 5), (1, 2)])
def test_both_forms_agree_in_a_population(layer, sides):
    x, kernels = normal((3, 2, *sides, 3)), normal((3, 3, 3, 3, 4), 1)
    found, expected = (
        jax.jit(jax.vmap(functools.partial(pulled_back, form)))(x, kernels)
        for form in (layer.by_products, layer.by_convolution)
    )
    assert_equal_to_rounding(found, expected)


@pytest.mark.parametrize("layer", [Conv, ConvTranspose])
@pytest.mark.parametrize(
    ("platform", "has", "has_not"), [("cpu", "dot", "convolution"), ("cuda", "convolution", "dot")]
)
def test_each_platform_has_its_form_and_no_other(layer, platform, has, has_not):
    """Forward and backward, of a population; what a GPU gets shows on a machine without one too."""

    def apply(x, kernel):
        return layer(2).apply({"params": {"kernel": kernel, "bias": jnp.zeros(2)}}, x)

    function = jax.vmap(functools.partial(pulled_back, apply))
    given = normal((3, 2, 5, 4, 3)), normal((3, 3, 3, 3, 2))
    program = jax.export.export(jax.jit(function), platforms=[platform])(*given).mlir_module()
    assert f"stablehlo.{has}" in program
    assert f"stablehlo.{has_not}" not in program


def test_windows_are_the_pixels_under_a_kernel():
    image = jnp.arange(1.0, 16.0).reshape(1, 3, 5, 1)
    found = windows(image)
    assert found.shape == (1, 2, 3, 9)
    np.testing.assert_array_equal(found[0, 0, 0], [0, 0, 0, 0, 1, 2, 0, 6, 7])
    np.testing.assert_array_equal(found[0, 1, 1], [7, 8, 9, 12, 13, 14, 0, 0, 0])
