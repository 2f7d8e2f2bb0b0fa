import itertools

import numpy as np
import pytest

from tests.figures.drawing import draw, is_cut_off
from vae_jax.figures import grid, sheets


def images(rows, columns, channels, shape=(2, 3)):
    """Every image of one colour, of which the first channel tells the place."""
    values = np.linspace(0, 1, rows * columns * channels).reshape(rows, columns, 1, 1, channels)
    return np.broadcast_to(values, (rows, columns, *shape, channels))


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_manifold_has_low_codes_at_the_lower_left(channels):
    given = images(5, 5, channels)
    axes = draw(sheets.manifold(given, "digits")).axes[0]
    (picture,) = axes.get_images()
    np.testing.assert_array_equal(picture.get_array(), grid.tile(given[::-1]))  # its last row is the lowest
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


def test_nothing_of_the_manifold_is_cut_off():
    assert not is_cut_off(
        draw(sheets.manifold(images(20, 20, 1, (8, 8)), "fashion_mnist: the plane of the code"))
    )
