import hashlib

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vae_jax.data import BINARIZATIONS, Preprocess, draw_once, load

GREYS = np.arange(17, dtype=np.uint8).reshape(1, 1, 17, 1)  # every grey value of digits once
few = settings(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def digits():
    return load("digits").test.images


def draws(images, count):
    """Returns `count` training draws of the same images, each from a key of its own."""
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(Preprocess("sampled", 16), in_axes=(0, None))(keys, images))


def test_sampled_train_images_have_their_grey_values_as_means():
    count = 4000
    mean = draws(GREYS, count).mean(0).ravel()
    grey = GREYS.ravel() / 16
    standard_error = np.sqrt(grey * (1 - grey) / count)
    np.testing.assert_array_less(np.abs(mean - grey), 4 * standard_error + 1e-12)


def test_sampled_pixels_are_drawn_independently():
    pixels = draws(np.full((1, 4, 4, 1), 8, np.uint8), 4000).reshape(4000, 16)
    correlations = np.corrcoef(pixels.T)[~np.eye(16, dtype=bool)]
    assert np.abs(correlations).max() < 5 / np.sqrt(4000)  # 5 standard errors, 120 pairs


def test_sampled_train_images_change_with_the_key_alone(digits):
    sample = Preprocess("sampled", 16)
    one, again, other = (np.asarray(sample(jax.random.key(seed), digits)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_sampled_valid_and_test_images_have_their_grey_values_as_means(digits):
    images = np.concatenate([digits] * 10)
    drawn = draw_once(Preprocess("sampled", 16), images, "test")
    for value in range(17):
        pixels = drawn[images == value]
        grey = value / 16
        assert abs(pixels.mean() - grey) <= 4 * np.sqrt(grey * (1 - grey) / len(pixels))


def test_sampled_valid_and_test_images_are_the_same_draw_every_time(digits):
    drawn, again, valid = (
        draw_once(Preprocess("sampled", 16), digits, split) for split in ("test", "test", "valid")
    )
    np.testing.assert_array_equal(drawn, again)
    assert (drawn != valid).any()
    # The draw belongs to every published number: no version may change it.
    assert hashlib.sha256(drawn.tobytes()).hexdigest()[:12] == "8f6bd0e9ff31"


@pytest.mark.parametrize("binarize", BINARIZATIONS)
@given(arrays.arrays(np.uint8, (2, 3, 3, 3), elements=st.integers(0, 16)))
@few
def test_pixels_are_float32_between_0_and_1(binarize, images):
    preprocess = Preprocess(binarize, 16)
    for pixels in (np.asarray(preprocess(jax.random.key(0), images)), draw_once(preprocess, images, "test")):
        assert pixels.dtype == np.float32
        assert pixels.shape == images.shape
        assert binarize == "none" or set(np.unique(pixels)) <= {0.0, 1.0}
        assert (pixels[images == 0] == 0).all()
        assert (pixels[images == 16] == 1).all()


@pytest.mark.parametrize("max_value", [16, 255])
@pytest.mark.parametrize("binarize", ["none", "threshold"])
def test_what_is_not_random_is_the_same_in_train_and_test(binarize, max_value):
    images = np.arange(max_value + 1, dtype=np.uint8).reshape(1, 1, -1, 1)
    preprocess = Preprocess(binarize, max_value)
    np.testing.assert_array_equal(
        preprocess(jax.random.key(0), images), draw_once(preprocess, images, "test")
    )


def test_none_keeps_the_grey_values():
    np.testing.assert_array_equal(
        draw_once(Preprocess("none", 16), GREYS, "test").ravel(), np.arange(17) / 16
    )


def test_threshold_is_at_one_half():
    np.testing.assert_array_equal(
        draw_once(Preprocess("threshold", 16), GREYS, "test").ravel(), np.arange(17) > 8
    )
