import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vae_jax.batching import in_batches


def pixel_sums(images, key):
    return {"sum": images.sum((1, 2, 3)), "twice": 2 * images}


sums_in_batches = jax.jit(functools.partial(in_batches, pixel_sums), static_argnums=2)


@given(st.integers(1, 13), st.integers(1, 15))
@example(12, 4)
@example(13, 4)
@example(3, 4)
@settings(max_examples=10, deadline=None)
def test_any_batch_size_gives_what_one_whole_batch_gives(count, batch_size):
    images = np.random.default_rng(0).integers(0, 100, (count, 2, 2, 1)).astype(np.float32)
    outputs = sums_in_batches(images, jax.random.key(0), batch_size)
    np.testing.assert_array_equal(outputs["sum"], images.sum((1, 2, 3)))
    np.testing.assert_array_equal(outputs["twice"], 2 * images)


def test_batches_are_no_larger_than_asked_for():
    sizes = []

    def note(images, key):
        sizes.append(len(images))
        return images

    in_batches(note, jnp.zeros((7, 2, 2, 1)), jax.random.key(0), 3)
    assert set(sizes) == {3}


@functools.partial(jax.jit, static_argnames="batch_size")
def noise(images, key, batch_size):
    return in_batches(lambda images, key: jax.random.normal(key, (len(images),)), images, key, batch_size)


def test_every_batch_has_a_key_of_its_own():
    drawn = noise(jnp.zeros((8, 1, 1, 1)), jax.random.key(0), batch_size=2)
    assert len(np.unique(drawn)) == 8


@pytest.mark.parametrize("seed", [0, 1])
def test_randomness_is_that_of_the_key(seed):
    drawn = [noise(jnp.zeros((8, 1, 1, 1)), jax.random.key(s), batch_size=3) for s in (0, seed)]
    assert (drawn[0] == drawn[1]).all() == (seed == 0)
