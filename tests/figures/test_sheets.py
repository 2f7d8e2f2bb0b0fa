import itertools

import numpy as np
import pytest

from tests.figures.drawing import draw, is_cut_off
from vae_jax.figures import sheets


def images(rows, columns, channels, shape=(2, 3)):
    """Every image of one colour, of which the first channel tells the place."""
    values = np.linspace(0, 1, rows * columns * channels).reshape(rows, columns, 1, 1, channels)
    return np.broadcast_to(values, (rows, columns, *shape, channels))


def test_sheet_has_every_image_in_its_place():
    given = np.random.default_rng(0).random((2, 4, 3, 5, 3))
    picture = sheets.sheet(given)
    assert picture.shape == (10, 28, 3)
    for row, column in np.ndindex(2, 4):
        part = picture[5 * row : 5 * row + 5, 7 * column : 7 * column + 7]
        np.testing.assert_array_equal(part[1:-1, 1:-1], given[row, column])
        assert len(np.unique(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]))) == 1


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_manifold_has_low_codes_at_the_lower_left(channels):
    given = images(5, 5, channels)
    axes = draw(sheets.manifold(given, "digits")).axes[0]
    (picture,) = axes.get_images()
    shown = picture.get_array()
    assert shown.shape[:2] == (20, 25)
    assert shown.ndim == (2 if channels == 1 else 3)
    np.testing.assert_allclose(np.atleast_3d(shown)[-2, 1], given[0, 0, 0, 0])  # lower left
    np.testing.assert_allclose(np.atleast_3d(shown)[1, -2], given[4, 4, 0, 0])  # upper right
    assert tuple(picture.get_extent()) == (0, 1, 0, 1)
    assert picture.origin == "upper"
    assert "quantile" in axes.get_xlabel()
    assert "quantile" in axes.get_ylabel()


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_samples_are_a_panel_a_sheet(channels):
    names = [f"{size} dimensions\nprior 0.6880 ± 0.0027\nimages 0.612 ± 0.013" for size in (2, 4, 8, 16, 32)]
    figure = draw(sheets.samples({name: images(8, 8, channels) for name in names}, "how often"))
    assert [axes.get_title() for axes in figure.axes] == names
    assert figure.get_supxlabel() == "how often"
    assert not is_cut_off(figure)
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


def test_values_outside_the_range_of_pixels_are_drawn_at_its_ends():
    given = np.array([-1.0, 0.5, 2.0]).reshape(1, 3, 1, 1, 1)
    (picture,) = draw(sheets.samples({"x": given}, "")).axes[0].get_images()
    assert picture.get_array()[1, 1::3].tolist() == [0.0, 0.5, 1.0]
    assert picture.get_clim() == (0, 1)


def test_nothing_of_the_manifold_is_cut_off():
    assert not is_cut_off(
        draw(sheets.manifold(images(20, 20, 1, (8, 8)), "fashion_mnist: the plane of the code"))
    )
