"""Learning curves, use of dimensions, rate and distortion, probabilistic PCA, trajectories."""

import math

import numpy as np
import pytest

from tests.figures.drawing import draw, is_cut_off, legend, points
from vae_jax.figures.dimensions import dimensions
from vae_jax.figures.learning_curves import learning_curves
from vae_jax.figures.ppca import Reached, ppca
from vae_jax.figures.rate_distortion import rate_distortion
from vae_jax.figures.trajectories import Trajectory, trajectories
from vae_jax.statistics import Estimate

SEEN = [1000, 10_000, 100_000]
BETAS = [0.5, 1.0, 2.0]
LABELS = np.arange(40) % 10
MEANS = [np.random.default_rng(moment).normal(size=(40, 2)) for moment in range(5)]


def estimates(means, half_width=0.25):
    return [Estimate(mean, half_width, 5) for mean in means]


def curves(half_width=0.25):
    elbos = {
        size: {"train": estimates([-40, -30 + size, -20], half_width), "valid": estimates([-41, -31, -25])}
        for size in (2, 5, 50)
    }
    return draw(learning_curves(SEEN, elbos, "digits"))


def test_learning_curves_have_a_panel_for_each_size_on_one_scale():
    figure = curves()
    assert [axes.get_title() for axes in figure.axes] == ["2 dimensions", "5 dimensions", "50 dimensions"]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    for size, axes in zip((2, 5, 50), figure.axes, strict=True):
        assert points(axes)["train"] == list(zip(SEEN, [-40, -30 + size, -20], strict=True))
        assert points(axes)["valid"] == list(zip(SEEN, [-41, -31, -25], strict=True))
        assert axes.get_xscale() == "log"
    assert figure.axes[0].get_ylabel() == "ELBO, nats per image"
    told = "training images of digits seen (mean and 95% interval over 5 seeds"
    assert figure.get_supxlabel().startswith(told)
    assert legend(figure.axes[0]) == ["train", "valid"]


def test_learning_curves_have_a_band_over_seeds():
    band = curves().axes[0].collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (-40.25, -19.75)


def used(half_width=0.25):
    activity = np.array([[1.0, 0.9, 1e-3, 1e-4], [1.1, 0.011, 0.009, 1e-4]])
    return draw(dimensions(activity, estimates([2, 1, 0.01, 0], half_width), "digits"))


def test_histogram_counts_the_dimensions_of_a_seed_and_parts_at_the_threshold():
    left, _ = used().axes
    bars = [(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height()) for bar in left.patches]
    assert sum(height for *_, height in bars) == pytest.approx(4)
    assert sum(height for low, _, height in bars if low >= -2 - 1e-9) == pytest.approx(2)
    assert all(high <= -2 + 1e-9 or low >= -2 - 1e-9 for low, high, _ in bars)
    assert points(left)["threshold 0.01"] == [(-2, 0), (-2, 1)]


def test_kl_of_each_dimension_is_drawn_from_zero():
    _, right = used().axes
    assert list(points(right).values()) == [[(1, 2), (2, 1), (3, 0.01), (4, 0)]]
    assert right.get_ylabel().endswith("nats")
    assert right.get_ylim()[0] == 0


def test_kl_shows_how_many_dimensions_the_threshold_makes_active():
    _, right = used().axes
    (span,) = right.patches
    assert (span.get_x(), span.get_width()) == (2, 0)
    assert legend(right) == ["above 0.01, by seed: 2 to 2 dimensions"]


def plane(half_width=0.25):
    arguments = estimates([14, 10, 6], half_width), estimates([8, 11, 17], half_width)
    return draw(rate_distortion(BETAS, *arguments, 30.0, "digits"))


def test_rate_distortion_draws_the_diagonal_of_the_elbo():
    (axes,) = plane().axes
    drawn = points(axes)
    assert drawn["−ELBO of β = 1: 21.0 nats"][0] == (0, 21)
    for rate, distortion in drawn["−ELBO of β = 1: 21.0 nats"]:
        assert rate + distortion == pytest.approx(21)
    assert drawn["no code: independent pixels"] == [(0, 30)]
    assert [text.get_text() for text in axes.texts] == ["β = 0.5", "β = 1", "β = 2"]
    assert (axes.get_xlim()[0], axes.get_ylim()[0]) == (0, 0)


def test_rate_distortion_has_the_intervals_of_both():
    (axes,) = plane().axes
    bars = [segment for bar in axes.collections for segment in bar.get_segments()]
    assert {tuple(map(tuple, bar)) for bar in bars} >= {((13.75, 8), (14.25, 8)), ((14, 7.75), (14, 8.25))}


def line(half_width=0.25):
    variances = [0.02, 0.1, 0.5]
    return draw(
        ppca(
            Reached([2, 5], estimates([0, 8.8], half_width), [0.1, 8.9]),
            Reached(variances, estimates([0.5, 0.4, 0.3], half_width), [75, 7, 0.04]),
            Reached(variances, estimates([29, 12, 3], half_width), [30, 12, 3]),
            0.1,
            "digits",
        )
    )


def test_ppca_draws_trained_and_closed_form_together():
    left, middle, right = line().axes
    assert points(left) == {
        "pPCA, maximum of log p(x)": [(2, 0.1), (5, 8.9)],
        "linear VAE, ELBO": [(2, 0), (5, 8.8)],
    }
    assert points(middle)["all dimensions collapsed"] == [(0.02, 75), (0.1, 7), (0.5, 0.04)]
    assert points(middle)["linear VAE"] == [(0.02, 0.5), (0.1, 0.4), (0.5, 0.3)]
    assert {y for _, y in points(middle)["claimed: at most 0.1"]} == {0.1}
    assert points(right)["pPCA: eigenvalues above σ²"] == [(0.02, 30), (0.1, 12), (0.5, 3)]
    assert points(right)["linear VAE: active"] == [(0.02, 29), (0.1, 12), (0.5, 3)]
    assert right.get_ylim()[0] == 0
    assert line().get_suptitle() == "digits, train; mean and 95% interval over 5 seeds"


def paths(half_width=0.25, count=5):
    one = Trajectory(
        MEANS[:count], estimates(range(count), half_width), estimates(np.arange(count) / 2, half_width)
    )
    epochs = [1, 4, 16, 63, 250][:count]
    return draw(trajectories(epochs, {"β = 1": one, "β = 20": one}, LABELS, "digits"))


def test_trajectories_have_a_row_for_each_model_and_a_panel_for_each_moment():
    figure = paths()
    assert len(figure.axes) == 12
    for row in (figure.axes[:6], figure.axes[6:]):
        for axes, means in zip(row[:5], MEANS, strict=True):
            (dots,) = axes.collections
            np.testing.assert_array_equal(dots.get_offsets(), means)
            assert axes.get_xlim() == axes.get_ylim()
            assert axes.get_xlim()[1] > max(np.abs(means).max() for means in MEANS)
        assert points(row[5])["information"] == [(1, 0), (4, 0.5), (16, 1), (63, 1.5), (250, 2)]
        assert points(row[5])["KL"] == [(1, 0), (4, 1), (16, 2), (63, 3), (250, 4)]
    assert [axes.get_title() for axes in figure.axes[:5]] == [f"epoch {n}" for n in (1, 4, 16, 63, 250)]


def test_trajectories_of_a_single_moment_are_drawn():
    assert not is_cut_off(paths(count=1))


@pytest.mark.parametrize("draw_figure", [curves, used, plane, line, paths])
@pytest.mark.parametrize("half_width", [0.25, math.nan], ids=["five seeds", "one seed"])
def test_no_text_is_cut_off(draw_figure, half_width):
    assert not is_cut_off(draw_figure(half_width))
