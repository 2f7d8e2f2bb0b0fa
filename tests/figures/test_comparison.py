import math

import numpy as np
import pytest

from tests.figures.drawing import draw, is_cut_off, points
from vae_jax.figures import comparison as comparisons
from vae_jax.figures.comparison import comparison
from vae_jax.statistics import Estimate

LABELS = {"test/mse": "mean squared error per pixel", "test/nll": "−log p(x), nats per image"}


def numbers(value, half_width=0.5):
    return {"test/mse": Estimate(value / 10, half_width / 10, 3), "test/nll": Estimate(value, half_width, 3)}


def test_number_is_the_x_axis_and_every_metric_a_panel():
    figure = draw(comparison({(2,): numbers(30), (8,): numbers(20)}, ["latent_size"], LABELS))
    assert [" ".join(axes.get_ylabel().split()) for axes in figure.axes] == list(LABELS.values())
    for axes, scale in zip(figure.axes, (0.1, 1), strict=True):
        assert axes.get_xlabel() == "latent_size"
        (line,) = points(axes).values()
        assert line == [(2, 30 * scale), (8, 20 * scale)]


def test_other_fields_are_lines_of_their_own():
    table = {(size, beta): numbers(size * beta) for size in (2, 8, 32) for beta in (1.0, 4.0)}
    figure = draw(comparison(table, ["latent_size", "beta"], LABELS))
    drawn = points(figure.axes[1])
    assert {label: [y for _, y in line] for label, line in drawn.items()} == {
        "beta=1.0": [2, 8, 32],
        "beta=4.0": [8, 32, 128],
    }
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["beta=1.0", "beta=4.0"]


def test_names_are_points_under_one_another_with_their_intervals():
    table = {("conv",): numbers(20, 1.0), ("mlp",): numbers(30, 2.0)}
    figure = draw(comparison(table, ["encoder.net"], LABELS))
    axes = figure.axes[1]
    assert " ".join(axes.get_xlabel().split()) == LABELS["test/nll"]
    named = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert named == ["encoder.net=conv", "encoder.net=mlp"]
    bars = [segment for bar in axes.collections for segment in bar.get_segments()]
    assert sorted((start[0], end[0]) for start, end in bars) == [(19, 21), (28, 32)]


@pytest.mark.parametrize("name", ["latent_size", "encoder.net"])
def test_of_very_many_curves_or_groups_the_first_are_drawn(name):
    first = (2, 8) if name == "latent_size" else ("conv", "mlp")
    count = comparisons.MOST + 5
    table = {(x, number): numbers(30) for x in first for number in range(count)}
    figure = draw(comparison(table, [name, "seeds"], LABELS))
    groups = count if name == "latent_size" else 2 * count
    assert figure.get_suptitle() == f"the first {comparisons.MOST} of {groups}"
    curves, names = points(figure.axes[0]), figure.axes[0].get_yticklabels()
    assert len(curves if name == "latent_size" else names) == comparisons.MOST


def test_one_group_needs_no_field():
    figure = draw(comparison({(): numbers(30)}, [], LABELS))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["all runs"]
    assert not is_cut_off(figure)


def test_metric_that_a_group_lacks_is_left_out_of_its_panel():
    table = {(2,): numbers(30), (4,): numbers(25), (8,): {"test/mse": Estimate(2.0, 0.1, 3)}}
    figure = draw(comparison(table, ["latent_size"], LABELS))
    drawn = [len(line) for axes in figure.axes for line in points(axes).values()]
    assert drawn == [3, 2]


def test_many_metrics_fill_rows_and_leave_no_empty_panel():
    labels = {f"test/{index}": f"metric {index}" for index in range(7)}
    table = {(size,): {name: Estimate(1.0, 0.1, 3) for name in labels} for size in (2, 8)}
    assert len(draw(comparison(table, ["latent_size"], labels)).axes) == 7


@pytest.mark.parametrize("half_width", [0.5, math.nan], ids=["three seeds", "one seed"])
@pytest.mark.parametrize("shown", [1, 2])
@pytest.mark.parametrize(
    ("by", "keys"),
    [
        (["posterior"], [("delta",), ("gaussian",)]),
        (
            ["decoder.output_activation", "likelihood"],
            [("sigmoid", "gaussian_learned"), ("identity", "bernoulli")],
        ),
        (["latent_size"], [(2,), (4,), (32,)]),
        (["latent_size", "posterior"], [(2, "delta"), (2, "gaussian"), (32, "delta"), (32, "gaussian")]),
    ],
)
def test_nothing_is_cut_off(by, keys, shown, half_width):
    labels = dict(list(LABELS.items())[-shown:])
    figure = draw(comparison({key: numbers(20, half_width) for key in keys}, by, labels))
    assert not is_cut_off(figure)


def test_interval_of_a_single_point_is_seen():
    # The area between one point and itself is nothing to look at; here each line is one point.
    table = {(0.0, "none"): numbers(30), (1.0, "sampled"): numbers(20), (1.0, "threshold"): numbers(10)}
    axes = draw(comparison(table, ["beta", "binarize"], LABELS)).axes[1]
    bars = [bar for bars in axes.collections if hasattr(bars, "get_segments") for bar in bars.get_segments()]
    assert [np.ptp(bar, axis=0).max() for bar in bars] == [1, 1, 1]
