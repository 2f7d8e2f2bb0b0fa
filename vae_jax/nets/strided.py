"""Layers of 3x3 kernels and stride 2: `Conv` halves the sides of images, `ConvTranspose` doubles them.

Both compute the same everywhere, to rounding. On a CPU they are products of matrices, because XLA's
own convolutions are slow there inside of a loop, and slower still for a population, whose kernels
make them convolutions in groups (benchmarks/convolutions.py measures both).
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

STRIDES, PADDING, LAYOUT = (2, 2), "SAME", ("NHWC", "HWIO", "NHWC")


class _Strided(nn.Module):
    """Images BxHxWxI -> BxH'xW'xO. Parameters as those of flax's layers: kernel 3x3xIxO, bias O.

    Subclasses define the two forms, functions of images and kernel, of which the platform that the
    program is compiled for chooses one.

    Attributes:
      features: O, the number of channels that come out.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.linear.default_kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias)
        y = jax.lax.platform_dependent(x, kernel, cpu=self.by_products, default=self.by_convolution)
        return y + bias.reshape(1, 1, 1, -1)


class Conv(_Strided):
    """Halves the sides, rounding up: flax's `Conv` of stride 2, padded to the same size."""

    @staticmethod
    def by_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(x, kernel, STRIDES, PADDING, dimension_numbers=LAYOUT)

    @staticmethod
    def by_products(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jnp.tensordot(windows(x), kernel.reshape(-1, kernel.shape[-1]), 1)


class ConvTranspose(_Strided):
    """Doubles the sides: flax's `ConvTranspose` of stride 2, padded to the same size."""

    @staticmethod
    def by_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_transpose(x, kernel, STRIDES, PADDING)

    @staticmethod
    def by_products(x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Each pixel gives a window of the result, its kernel the other way round; they are added up."""
        batch, height, width, channels = x.shape
        features = kernel.shape[-1]
        turned = kernel[::-1, ::-1].transpose(2, 0, 1, 3).reshape(channels, 9 * features)
        result = jax.ShapeDtypeStruct((batch, 2 * height, 2 * width, features), x.dtype)
        return jax.linear_transpose(windows, result)(jnp.tensordot(x, turned, 1))[0]


def windows(x_BxHxWxC: jax.Array) -> jax.Array:
    """Returns the 3x3 pixels under each place of a kernel of stride 2, zeros outside: BxH'xW'x9C.

    H' and W' are half of H and W, rounded up. Two neighbours in a row lie side by side in memory, so
    that a row of windows is put together of two slices, and the windows of three rows.
    """
    batch, *sides, channels = x_BxHxWxC.shape
    height, width = (-(-side // 2) for side in sides)
    x = jnp.pad(x_BxHxWxC, [(0, 0), *((side % 2, 2) for side in sides), (0, 0)])
    pairs = x.reshape(batch, 2 * height + 2, width + 1, 2 * channels)
    rows = jnp.concatenate([pairs[:, :, :width], pairs[:, :, 1:, :channels]], axis=-1)
    rows = rows.reshape(batch, height + 1, 2, width, 3 * channels)
    return jnp.concatenate([rows[:, :height, 0], rows[:, :height, 1], rows[:, 1:, 0]], axis=-1)
