"""Any metrics of any runs: one panel a metric, mean and 95% interval over seeds."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, MARKERS, PAGE, curve, doubling_axis, style, subplots
from vae_jax.statistics import Estimate

Table = Mapping[tuple[Any, ...], Mapping[str, Estimate]]
MOST = 20  # curves, or groups that are no curves: more cannot be told apart


def comparison(table: Table, by: Sequence[str], labels: Mapping[str, str]) -> Figure:
    """Draws `table`: values of the fields `by` -> metric -> estimate.

    The first field is the x axis where it is a number, with a line for each combination of
    the others; else every group has a point of its own. Of very many the first are drawn.

    Args:
      table: one entry per group of runs.
      by: names of the fields in the table's keys.
      labels: metric -> axis label; the panels, in this order.
    """
    numeric = bool(by) and all(_is_number(key[0]) for key in table) and len({key[0] for key in table}) > 1
    series = _series(table, numeric)
    table = {key: table[key] for name in list(series)[:MOST] for key in series[name]}
    columns = min(len(labels), 3)
    rows = -(-len(labels) // columns)
    width = PAGE * columns / 3 + (0.0 if numeric else 1.5)  # room for the groups' names
    with style():
        legend = _legend(table, by, width) if numeric and len(by) > 1 else {}
        lines = sum(name.count("\n") + 1 for name in legend.get("names", ())) / legend.get("ncols", 1)
        points = sum(name.count("\n") + 1.5 for name in _groups(table, by))
        height = 2.2 * rows + 0.16 * lines if numeric else (1.0 + 0.13 * points) * rows
        figure, axes = subplots(columns, rows, width=width, height=height)
        for panel, (metric, label) in zip(axes, labels.items(), strict=False):
            _curves(panel, table, by, metric) if numeric else _points(panel, table, metric)
            (panel.set_ylabel if numeric else panel.set_xlabel)(textwrap.fill(label, 30))
        if not numeric:
            for panel in axes[::columns]:
                panel.set_yticks(range(len(table)), _groups(table, by))
        if len(series) > MOST:
            figure.suptitle(f"the first {MOST} of {len(series)}", fontsize=8)
        for unused in axes[len(labels) :]:
            unused.remove()
        if legend:
            handles = axes[0].get_legend_handles_labels()[0]
            figure.legend(handles, legend["names"], loc="outside lower center", ncols=legend["ncols"])
    return figure


def _series(table: Table, numeric: bool) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Returns the keys of each curve, or of each group alone where there are no curves."""
    series: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for key in table:
        series.setdefault(key[1:] if numeric else key, []).append(key)
    return series


def _legend(table: Table, by: Sequence[str], width: float) -> dict[str, Any]:
    """Returns the names of the curves, wrapped to the figure's width in inches, and their columns."""
    letters = int((width - 0.6) / 0.06)
    names = [textwrap.fill(_name(by[1:], key), letters) for key in dict.fromkeys(key[1:] for key in table)]
    longest = max(len(line) for name in names for line in name.split("\n"))
    return {"names": names, "ncols": max(min(int(width / (0.6 + 0.06 * longest)), len(names)), 1)}


def _groups(table: Table, by: Sequence[str]) -> list[str]:
    return [textwrap.fill(_name(by, key), 28) or "all runs" for key in table]


def _name(fields: Sequence[str], values: Sequence[Any]) -> str:
    return ", ".join(f"{field}={value}" for field, value in zip(fields, values, strict=True))


def _curves(axes: Axes, table: Table, by: Sequence[str], metric: str) -> None:
    series = list(dict.fromkeys(key[1:] for key in table))
    for index, rest in enumerate(series):
        points = {key[0]: numbers for key, numbers in table.items() if key[1:] == rest}
        shown = {x: numbers[metric] for x, numbers in points.items() if metric in numbers}
        curve(axes, list(shown), list(shown.values()), _name(by[1:], rest), index)
    values = sorted({key[0] for key in table})
    if values[0] > 0 and values[-1] / values[0] >= 8:
        doubling_axis(axes, values)
    axes.set_xlabel(by[0])


def _points(axes: Axes, table: Table, metric: str) -> None:
    for index, numbers in enumerate(table.values()):
        if metric in numbers:
            mean, half_width = numbers[metric][:2]
            kind = {"color": COLORS[index % len(COLORS)], "marker": MARKERS[index % len(MARKERS)]}
            axes.errorbar(mean, index, xerr=half_width, capsize=2, **kind)
    axes.set_yticks(range(len(table)), [""] * len(table))
    axes.invert_yaxis()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
