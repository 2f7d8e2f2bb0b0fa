"""Any metrics of any runs: one panel a metric, mean and 95% interval over seeds."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, MARKERS, PAGE, curve, doubling_axis, style, subplots
from vae_jax.statistics import Estimate

Table = Mapping[tuple[Any, ...], Mapping[str, Estimate]]


def comparison(table: Table, by: Sequence[str], labels: Mapping[str, str]) -> Figure:
    """Draws `table`: values of the fields `by` -> metric -> estimate.

    The first field is the x axis where it is a number, with a line for each combination of
    the others; else every group has a point of its own.

    Args:
      table: one entry per group of runs.
      by: names of the fields in the table's keys.
      labels: metric -> axis label; the panels, in this order.
    """
    numeric = bool(by) and all(_is_number(key[0]) for key in table) and len({key[0] for key in table}) > 1
    columns = min(len(labels), 3)
    rows = -(-len(labels) // columns)
    with style():
        series = {key[1:] for key in table}
        height = 2.2 * rows + 0.09 * len(series) if numeric else (1.2 + 0.22 * len(table)) * rows
        figure, axes = subplots(columns, rows, width=PAGE * columns / 3, height=height)
        for panel, (metric, label) in zip(axes, labels.items(), strict=False):
            (_curves if numeric else _points)(panel, table, by, metric)
            (panel.set_ylabel if numeric else panel.set_xlabel)(textwrap.fill(label, 30))
        for unused in axes[len(labels) :]:
            unused.remove()
        if numeric and len(by) > 1:
            handles, names = axes[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside lower center", ncols=2 if len(names) > 1 else 1)
    return figure


def _curves(axes: Axes, table: Table, by: Sequence[str], metric: str) -> None:
    series = list(dict.fromkeys(key[1:] for key in table))
    for index, rest in enumerate(series):
        points = {key[0]: numbers for key, numbers in table.items() if key[1:] == rest}
        label = ", ".join(f"{name}={value}" for name, value in zip(by[1:], rest, strict=True))
        shown = {x: numbers[metric] for x, numbers in points.items() if metric in numbers}
        curve(axes, list(shown), list(shown.values()), label, index)
    values = sorted({key[0] for key in table})
    if values[0] > 0 and values[-1] / values[0] >= 8:
        doubling_axis(axes, values)
    axes.set_xlabel(by[0])


def _points(axes: Axes, table: Table, by: Sequence[str], metric: str) -> None:
    names = [", ".join(f"{n}={v}" for n, v in zip(by, key, strict=True)) or "all runs" for key in table]
    for index, numbers in enumerate(table.values()):
        if metric in numbers:
            mean, half_width = numbers[metric][:2]
            kind = {"color": COLORS[index % len(COLORS)], "marker": MARKERS[index % len(MARKERS)]}
            axes.errorbar(mean, index, xerr=half_width, capsize=2, **kind)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
