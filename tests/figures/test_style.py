import itertools
import json
import math

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.figures.drawing import draw, points
from vae_jax import figures
from vae_jax.errors import UsageError
from vae_jax.figures import style
from vae_jax.statistics import Estimate

IDS = ["bbbbbbbbbbbb", "aaaaaaaaaaaa"]


def figure():
    with style.style():
        drawn, (axes,) = style.subplots(1, width=2, height=2)
        axes.plot([1, 2], [3, 4])
    return drawn


def test_save_writes_png_and_pdf_that_name_their_runs(tmp_path):
    paths = figures.save(figure(), tmp_path / "new" / "figure", IDS)
    assert [path.name for path in paths] == ["figure.png", "figure.pdf"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    named = json.dumps(sorted(IDS))
    with Image.open(paths[0]) as image:
        image.load()
        assert image.size == (400, 400)  # 2 inches at 200 dots an inch
        assert image.text["Description"] == f"runs {named}"
    content = paths[1].read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert all(run.encode() in content for run in IDS)


def test_same_figure_gives_the_same_bytes(tmp_path):
    one = figures.save(figure(), tmp_path / "one", IDS)
    other = figures.save(figure(), tmp_path / "other", IDS[::-1])
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_fonts_in_the_pdf_stay_text(tmp_path):
    _, pdf = figures.save(figure(), tmp_path / "figure", IDS)
    assert b"/Type3" not in pdf.read_bytes().replace(b" ", b"")


def test_figure_that_cannot_be_written_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"cannot create directory '{tmp_path / 'file'}'"):
        figures.save(figure(), tmp_path / "file" / "figure", IDS)


def test_failed_save_leaves_nothing_half_written(tmp_path, monkeypatch):
    figures.save(figure(), tmp_path / "figure", IDS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(drawn, target, **options):
        if hasattr(target, "write"):
            target.write(b"half of")
        else:
            target.write_bytes(b"half of")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="no space"):
        figures.save(figure(), tmp_path / "figure", IDS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_style_does_not_leak():
    before = dict(matplotlib.rcParams)
    figure()
    assert dict(matplotlib.rcParams) == before


def test_colours_and_markers_tell_ten_classes_and_seven_models_apart():
    assert len(set(style.CLASS_COLORS)) == 10
    assert len(set(style.COLORS)) == len(set(style.MARKERS)) == len(style.COLORS) == len(style.MARKERS)


def test_curve_draws_means_and_intervals():
    drawn = figure()
    axes = drawn.axes[0]
    style.curve(axes, [1, 2], [Estimate(5.0, 0.5, 3), Estimate(4.0, 0.25, 3)], "model")
    assert points(axes)["model"] == [(1, 5.0), (2, 4.0)]
    corners = {tuple(corner) for corner in axes.collections[0].get_paths()[0].vertices}
    assert corners == {(1, 4.5), (1, 5.5), (2, 3.75), (2, 4.25)}


def test_curve_of_single_runs_has_no_interval():
    drawn = figure()
    style.curve(drawn.axes[0], [1, 2], [Estimate(5.0, math.nan, 1), Estimate(4.0, math.nan, 1)], "model")
    assert points(draw(drawn).axes[0])["model"] == [(1, 5.0), (2, 4.0)]


@pytest.mark.parametrize(
    ("low", "high", "unit", "expected"),
    [(2e3, 1e5, "", "10 k"), (2e-3, 5e-2, "s", "10 ms"), (1e4, 1e7, "", "1 M")],
)
def test_costs_are_written_with_their_unit(low, high, unit, expected):
    with style.style():
        drawn, (axes,) = style.subplots(1)
        axes.plot([low, high], [0, 1])
        style.cost_axis(axes, unit)
    ticks = [label.get_text() for label in draw(drawn).axes[0].get_xticklabels()]
    assert expected in [tick.replace("\N{NO-BREAK SPACE}", " ") for tick in ticks]


@pytest.mark.parametrize("values", [[1, 2, 4, 8, 16, 32, 64, 128], [1e-4, 3e-4, 1e-3, 3e-3]])
def test_few_values_far_apart_all_have_their_ticks(values):
    assert ticks(values) == [f"{value:g}" for value in values]


def test_of_many_values_those_have_ticks_whose_names_can_be_read():
    values = [index * 1e-6 for index in range(1, 101)]
    names = ticks(values)
    assert names[0] == "1e-06"
    assert 3 <= len(names) <= 8
    assert set(names) <= {f"{value:g}" for value in values}


def ticks(values):
    """The names of the ticks of a narrow panel, none of which overlaps the next."""
    with style.style():
        drawn, (axes,) = style.subplots(1, width=2.3, height=2)
        axes.plot(values, values)
        style.doubling_axis(axes, values)
        drawn.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    return [label.get_text() for label in axes.get_xticklabels()]
