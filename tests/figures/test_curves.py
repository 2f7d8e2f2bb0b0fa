import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.figures.drawing import draw, is_cut_off, legend, points
from vae_jax.figures import curves
from vae_jax.statistics import Estimate

SIZES = [2, 4, 8, 16, 32]
few = settings(max_examples=25, deadline=None)


def estimates(means, half_width=0.01):
    return [Estimate(mean, half_width, 3) for mean in means]


@pytest.mark.parametrize(
    ("errors", "index"),
    [
        ([10.0, 9.0, 1.0, 0.5, 0.0], 2),  # a corner
        ([10.0, 1.0, 0.9, 0.8, 0.7], 1),
        ([4.0, 3.5, 3.0, 0.5, 0.4], 3),
    ],
)
def test_knee_of_a_curve_with_a_corner_is_the_corner(errors, index):
    assert curves.knee([1, 2, 4, 8, 16], errors) == index


def test_knee_of_a_hyperbola_is_where_its_slope_is_the_chords():
    # y = 1/x over u = ln x from 0 to ln 16: dy/du = -1/x is the chord's -(15/16) / ln 16 at that x.
    costs = [1 + step / 100 for step in range(1501)]
    expected = math.log(16) * 16 / 15
    assert costs[curves.knee(costs, [1 / cost for cost in costs])] == pytest.approx(expected, abs=0.01)


@given(
    errors=st.lists(st.integers(0, 100), min_size=3, max_size=8),
    scales=st.tuples(*[st.sampled_from([0.25, 1, 1024])] * 2),
    shift=st.integers(-100, 100),
)
@few
def test_knee_does_not_depend_on_the_units(errors, scales, shift):
    costs = [2**step for step in range(len(errors))]
    changed = [scales[0] * cost for cost in costs], [shift + scales[1] * error for error in errors]
    slope = (errors[-1] - errors[0]) / (len(errors) - 1)
    depth = [errors[0] + slope * step - error for step, error in enumerate(errors)]
    before, after = curves.knee(costs, errors), curves.knee(*changed)
    assert depth[after] == pytest.approx(depth[before], abs=1e-9)  # the same point, or one as deep


def test_knee_of_a_straight_line_is_an_end():
    assert curves.knee([1, 2, 4, 8], [3, 2, 1, 0]) in (0, 3)


def latent_size(half_width=0.01):
    errors = {name: estimates([0.1 / size for size in SIZES], half_width) for name in ("autoencoder", "VAE")}
    bounds = {"−ELBO": estimates([30 - size / 2 for size in SIZES], half_width)}
    return draw(curves.latent_size(SIZES, errors, [0.2 / size for size in SIZES], bounds, "digits"))


def test_latent_size_draws_every_model_at_every_size():
    figure = latent_size()
    error_axes, bound_axes = figure.axes
    drawn = points(error_axes)
    assert drawn["autoencoder"] == drawn["VAE"] == [(size, 0.1 / size) for size in SIZES]
    assert drawn["PCA, as many components"] == [(size, 0.2 / size) for size in SIZES]
    assert points(bound_axes)["−ELBO"] == [(size, 30 - size / 2) for size in SIZES]
    assert legend(error_axes) == ["PCA, as many components", "autoencoder", "VAE"]


def test_latent_size_names_its_axes_and_their_units():
    error_axes, bound_axes = latent_size().axes
    assert error_axes.get_ylabel() == "mean squared error per pixel"
    assert bound_axes.get_ylabel() == "nats per image"
    for axes in (error_axes, bound_axes):
        assert axes.get_xlabel() == "latent size (dimensions of the code)"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "8", "16", "32"]
        assert "digits" in axes.get_title()


def test_interval_is_the_height_of_the_band():
    error_axes, _ = latent_size(half_width=0.001).axes
    band = error_axes.collections[0].get_datalim(error_axes.transData)
    assert (band.y0, band.y1) == pytest.approx((0.1 / 32 - 0.001, 0.1 / 2 + 0.001))


def bottleneck_width(half_width=0.001):
    costs = {
        label: estimates([size * 1000.0 for size in SIZES], 0.0)
        for label in ("parameters", "seconds per epoch")
    }
    errors = estimates([0.1, 0.05, 0.02, 0.019, 0.018], half_width)
    return draw(curves.bottleneck_width(SIZES, errors, costs, knees=[2, 1, 2], title="digits"))


def test_bottleneck_width_marks_the_knee_in_every_panel():
    figure = bottleneck_width()
    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters", "seconds per epoch"]
    for axes in figure.axes:
        assert points(axes)["knee"] == [(8000.0, 0.02)]  # at the median
        assert [text.get_text() for text in axes.texts] == ["2", "4", "8", "16", "32"]
    assert legend(figure.axes[0]) == ["knee"]
    assert figure.axes[-1].get_title() == "knee: 4 to 8 over seeds"


@pytest.mark.parametrize("draw_figure", [latent_size, bottleneck_width])
@pytest.mark.parametrize("half_width", [0.001, math.nan], ids=["three seeds", "one seed"])
def test_no_text_is_cut_off(draw_figure, half_width):
    assert not is_cut_off(draw_figure(half_width))
