import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.figures.drawing import draw
from vae_jax.figures.grid import gap_pixels, show, tile

GREY = np.random.default_rng(0).random((2, 3, 8, 6, 1))


def test_grey_images_are_ink_on_paper_each_in_its_place():
    picture, gap = tile(GREY), gap_pixels(8)
    assert picture.shape == (2 * 8 + gap, 3 * 6 + 2 * gap, 3)
    for row, column in np.ndindex(2, 3):
        top, left = row * (8 + gap), column * (6 + gap)
        found = picture[top : top + 8, left : left + 6]
        np.testing.assert_allclose(found, 1 - GREY[row, column].repeat(3, axis=-1))
    assert (picture[8 : 8 + gap] == 1).all()  # the gap is white


def test_colours_are_as_they_are_and_never_outside_what_can_be_drawn():
    colours = np.random.default_rng(1).normal(size=(1, 1, 5, 5, 3))
    np.testing.assert_array_equal(tile(colours), np.clip(colours[0, 0], 0, 1))


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_of_other_numbers_of_channels_the_mean_is_drawn(channels):
    images = np.random.default_rng(2).random((1, 1, 5, 5, channels))
    np.testing.assert_allclose(tile(images), tile(images.mean(-1, keepdims=True)))
    np.testing.assert_allclose(tile(images)[..., 0], 1 - images[0, 0].mean(-1))


def test_rows_and_columns_are_named_beside_their_images():
    figure = Figure()
    axes = figure.subplots()
    show(axes, GREY, rows=["a", "b"], columns=["x", "y", "z"])
    draw(figure)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]
    gap = gap_pixels(8)
    np.testing.assert_allclose(axes.get_yticks(), [4, 8 + gap + 4])
    np.testing.assert_allclose(axes.get_xticks(), [3, 6 + gap + 3, 2 * (6 + gap) + 3])
    assert len(axes.collections[0].get_paths()) == 6  # a frame each
