import numpy as np
import pytest

from vae_jax.evaluate.image_files import compress, sheet

NOISE = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_sheet_shows_every_image_whole_and_once(channels):
    images = NOISE[..., :channels]
    found = sheet(images)
    assert found.shape == (6 * 8, 5 * 8, channels)
    np.testing.assert_array_equal(found[8:16, 16:24], images[5 + 2])  # second row, third column


@pytest.mark.parametrize("channels", [1, 3])
def test_png_loses_nothing_and_cannot_shrink_noise(channels):
    bits, error = compress(NOISE[..., :channels], "PNG", optimize=True)
    assert error == 0.0
    assert bits == pytest.approx(8 * 8 * 8 * channels, rel=0.1)


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_that_no_format_knows_are_grey_images_of_their_own(channels):
    images = np.random.default_rng(1).integers(0, 256, (1000, 8, 8, channels)).astype(np.uint8)
    bits, error = compress(images, "PNG", optimize=True)
    assert error == 0.0
    assert bits == pytest.approx(8 * 8 * 8 * channels, rel=0.1)  # noise: no channel shrinks, none is lost


def test_png_of_empty_images_takes_next_to_nothing():
    bits, error = compress(np.zeros((1000, 8, 8, 1), np.uint8), "PNG", optimize=True)
    assert error == 0.0
    assert bits < 8


@pytest.mark.parametrize("kind", ["JPEG", "WebP"])
def test_more_quality_is_more_bits_and_less_error(kind):
    (few, large), (many, small) = (compress(NOISE, kind, quality=quality) for quality in (5, 95))
    assert few < many
    assert large > small > 0
