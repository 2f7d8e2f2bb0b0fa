"""The post's figures: everything given is drawn, nothing is cut off."""

import numpy as np
import pytest

from tests.figures.drawing import draw, is_cut_off, legend, points
from vae_jax.evaluate.architecture import Layer
from vae_jax.evaluate.kolmogorov import gaussian_density
from vae_jax.figures.architecture import architecture
from vae_jax.figures.compression import compression
from vae_jax.figures.gaps import Space, gaps
from vae_jax.figures.gaussian import DENSITIES, gaussian
from vae_jax.figures.interpolation import interpolation
from vae_jax.figures.linear_pca import linear_pca
from vae_jax.figures.novelty import novelty
from vae_jax.figures.reconstructions import reconstructions
from vae_jax.figures.similarity import similarity
from vae_jax.statistics import Estimate

RNG = np.random.default_rng(0)
COLOURS = 3


def images(*shape):
    return RNG.random((*shape, 8, 8, COLOURS))


def estimates(*means):
    return [Estimate(mean, 0.1 * mean, 5) for mean in means]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def whole(figure):
    draw(figure)
    assert not is_cut_off(figure)
    return figure.axes


LAYERS = [
    Layer("encoder", "Dense", (20,), 1300),
    Layer("encoder", "Dense", (3,), 63),
    Layer("decoder", "Dense", (20,), 80),
    Layer("decoder", "Dense", (64,), 1344),
]


def test_architecture_writes_every_layer_with_its_size_and_parameters():
    (axes,) = whole(architecture({"a model": LAYERS}, (8, 8, 1)))
    assert {"input X\n8×8×1", "Dense\n20", "code F\n3", "output X′\n64"} <= set(texts(axes))
    assert {"1,300", "63", "80", "1,344", "encoder", "decoder"} <= set(texts(axes))
    assert "2,787" in axes.get_title()


def test_architecture_draws_all_nodes_of_a_small_layer_and_leaves_out_some_of_a_large_one():
    (axes,) = architecture({"a model": LAYERS}, (8, 8, 1)).axes
    red = [
        dots
        for dots in axes.collections
        if np.allclose(dots.get_facecolors()[0][:3], [0xC1 / 255, 0x27 / 255, 0x2D / 255])
    ]
    (code,) = red
    assert len(code.get_offsets()) == 3
    assert max(len(dots.get_offsets()) for dots in axes.collections) == 10


def test_reconstructions_stand_below_their_originals_with_their_errors():
    rebuilt = {name: [images(4), images(4)] for name in ("autoencoder", "VAE")}
    errors = {name: estimates(0.02, 0.01) for name in rebuilt}
    left, right = whole(reconstructions(images(4), (2, 8), rebuilt, errors, "digits, test"))
    for axes, name in ((left, "autoencoder"), (right, "VAE")):
        assert [label.get_text() for label in axes.get_yticklabels()] == [
            "original",
            "2 · 0.0200",
            "8 · 0.0100",
        ]
        assert name in axes.get_title()


def test_gaps_draws_the_map_the_codes_and_both_sheets():
    space = Space(
        np.zeros(2), np.ones(2), RNG.random((30, 2)), images(4, 4), RNG.random((5, 5)), images(3, 3)
    )
    panels = whole(
        gaps({"autoencoder": space, "VAE": space}, {"autoencoder": "note 1", "VAE": "note 2"}, "digits")
    )
    mesh, dots = panels[0].collections
    np.testing.assert_array_equal(mesh.get_array(), space.distances[::-1])  # the first row is the top one
    np.testing.assert_array_equal(dots.get_offsets(), space.codes)
    assert [panels[i].get_title() for i in (0, 3)] == ["digits, autoencoder\nnote 1", "digits, VAE\nnote 2"]


def test_gaussian_draws_the_densities_and_the_distances():
    averages = {name: {n: RNG.normal(size=1000) for n in (1, 4)} for name in ("x", "y")}
    distances = {"x": estimates(0.2, 0.1), "y": estimates(0.3, 0.1)}
    first, x, _, last = whole(gaussian(averages, (1, 4), distances, {"x": [1.0, 0.5], "y": [0.9, 0.4]}))
    for line, (mean, sigma) in zip(first.get_lines(), DENSITIES, strict=True):
        np.testing.assert_allclose(line.get_ydata(), gaussian_density(line.get_xdata(), mean, sigma))
    assert legend(x) == ["n = 1", "n = 4", "$N(0, 1)$"]
    assert points(last)["x"] == [(1, 0.2), (4, 0.1)]
    assert points(last)["Berry–Esseen bound"] == [(1, 1.0), (4, 0.5)]


def test_linear_pca_draws_errors_on_their_floor():
    angles = {"as trained": estimates(3, 9), "at the end": estimates(0.1, 0.1)}
    pictures = {
        "principal axes": RNG.normal(size=(4, 8, 8, 1)),
        "decoder's columns": RNG.normal(size=(4, 8, 8, 1)),
    }
    errors, largest, _ = whole(
        linear_pca((2, 4), estimates(0.05, 0.04), [0.05, 0.03], angles, pictures, "digits")
    )
    assert points(errors)["discarded eigenvalues"] == [(2, 0.05), (4, 0.03)]
    assert points(errors)["linear autoencoder"] == [(2, 0.05), (4, 0.04)]
    assert points(largest)["as trained"] == [(2, 3), (4, 9)]


def test_novelty_draws_pairs_with_their_distance_and_both_distributions():
    pairs, axes = whole(
        novelty(images(3), images(3), np.array([0.1, 0.2, 0.3]), np.full(9, 0.2), np.full(5, 0.1), "x")
    )
    assert [label.get_text() for label in pairs.get_xticklabels()] == ["0.100", "0.200", "0.300"]
    assert legend(axes) == ["samples of the VAE", "reconstructions of test images"]
    assert all(stairs.get_data().values.sum() == pytest.approx(1) for stairs in axes.patches)


def test_interpolation_draws_a_panel_for_each_pair():
    ways = {"autoencoder": images(3, 5), "VAE": images(3, 5)}
    panels = whole(
        interpolation(ways, images(3, 5), {"autoencoder": "0.891 ± 0.018", "VAE": "0.919 ± 0.020"}, "digits")
    )
    assert len(panels) == 3
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [
        "autoencoder",
        "VAE",
        "blend of pixels",
    ]


def test_similarity_draws_curves_and_neighbours():
    curves = {"autoencoder": estimates(0.1, 0.2), "VAE": estimates(0.1, 0.3)}
    axes, *panels = whole(similarity(curves, {name: images(4, 6) for name in curves}, 3, "digits, test"))
    assert points(axes)["VAE"] == [(25, 0.1), (75, 0.3)]
    names = [label.get_text() for label in panels[0].get_xticklabels()]
    assert (names[0], names[2], names[5]) == ("image", "nearest codes", "farthest")


def test_compression_draws_every_seed_and_what_loses_nothing():
    curves = {
        "autoencoder": [[(5, 0.1), (50, 0.01)], [(6, 0.1), (55, 0.01)]],
        "PCA": [[(7, 0.2), (90, 0.01)]],
    }
    (axes,) = whole(compression(curves, 200.0, 512, 0.05, 8, "digits, test"))
    lines = [list(map(tuple, line.get_xydata())) for line in axes.get_lines()]
    assert all(points in lines for seeds in curves.values() for points in seeds)
    assert legend(axes)[:3] == ["autoencoder, 2 seeds", "PCA", "PNG, nothing is lost"]
