"""Compare finished runs: what differs between their configs, and what came of it.

    python -m experiments.compare runs
    python -m experiments.compare runs --metric=test/mse,test/nll --by=latent_size
    python -m experiments.compare runs --where=dataset=mnist --where=posterior=gaussian

Prints the fields in which the configs differ, then each group's metrics as mean ± 95%
confidence interval over seeds (Student's t); writes comparison.csv, .png and .pdf.
"""

import ast
import itertools
import math
import pathlib
import sys
from collections.abc import Mapping, Sequence

from experiments import cli
from experiments.tables import csv_text
from vae_jax import results, streams
from vae_jax.config import differing
from vae_jax.errors import UsageError, lookup
from vae_jax.evaluate import METRICS
from vae_jax.figures.comparison import Table
from vae_jax.paths import make_dir, make_inside, write_whole
from vae_jax.results import Row
from vae_jax.streams import printable

LEADING = ("dataset", "posterior")  # of fields that vary together, those that say most
MISSING = "-"
SHOWN = 50  # groups in a printed table


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    parser.add_argument("dirs", nargs="+", type=pathlib.Path, metavar="DIR", help="work directories of runs")
    parser.add_argument(
        "--metric",
        default="",
        help=f"joined by commas, of {', '.join([*METRICS, *results.COSTS])}; default: all test metrics",
    )
    parser.add_argument(
        "--by", default="", help="config fields to put first, joined by commas; x axis: the first"
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="only runs whose config has it; may be repeated",
    )
    parser.add_argument("--output", type=pathlib.Path, help="where to write; default: DIR/comparison")
    arguments = parser.parse(argv, overridable=False)
    rows, left_out = results.read_all(arguments.dirs)
    if left_out and not rows:
        raise UsageError(f"nothing to compare: no completed run here; left out: {_some(left_out)}")
    rows = _where(rows, arguments.where)
    fields = _fields(rows, _split(arguments.by))
    by = list(fields)
    groups = results.group(rows, by)
    metrics = _metrics(rows, _split(arguments.metric))
    table = {
        tuple(MISSING if value is None else value for value in key): _estimates(members, metrics)
        for key, members in groups.items()
    }

    output = cli.writable(arguments.output or arguments.dirs[0] / "comparison")
    output = make_dir(output) if arguments.output else make_inside(arguments.dirs[0], "comparison")
    written = _write(output, rows, table, by, metrics)
    _print_left_out(left_out)
    _print_differences(rows, fields)
    _print_table(table, by, metrics)
    print(f"\nwrote {written}")
    return 0


def _where(rows: Sequence[Row], conditions: Sequence[str]) -> Sequence[Row]:
    """Returns the rows that meet every FIELD=VALUE; UsageError where no row does."""
    for condition in conditions if rows else ():
        name, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"--where takes FIELD=VALUE, not '{condition}'")
        name, value = name.strip(), value.strip()
        lookup("config key", name, results.all_fields(rows))
        values = {_shown(row.fields.get(name)) for row in rows}
        rows = [row for row in rows if _same(row.fields.get(name), value)]
        if not rows:
            raise UsageError(f"--where={condition}: no run, there are {name}={', '.join(sorted(values))}")
    return rows


def _same(field: object, text: str) -> bool:
    """Whether a field's value is the one that is typed, written as 8 or 8.0, as (128,64) or (128, 64)."""
    if _shown(field) == text or str(field) == text:
        return True
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    if isinstance(field, tuple):
        return field == (tuple(value) if isinstance(value, tuple | list) else (value,))
    return not isinstance(field, str) and type(value) is not bool and field == value


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _fields(rows: Sequence[Row], wanted: list[str]) -> dict[str, list[str]]:
    """Returns the fields to group by, each with those that vary together with it.

    All that differ are there: a mean never runs over anything but seeds. `wanted` come first,
    then the number that makes the x axis with the fewest curves.
    """
    if "seed" in wanted:
        raise UsageError("--by=seed: seeds are what the confidence intervals run over")
    names = differing([row.fields for row in rows])
    preferred = [*wanted, *(name for name in LEADING if name in names)]
    fields = results.together(rows, list(dict.fromkeys([*preferred, *names])))
    rest = sorted(set(fields) - set(wanted), key=lambda name: _curves(rows, fields, name))
    return {name: fields[name] for name in [*(w for w in wanted if w in fields), *rest]}


def _shown(value: object) -> str:
    """Returns a field's value as text of one line; "-" where another version's config lacks the field."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return MISSING if value is None else printable(str(value))


def _curves(rows: Sequence[Row], fields: Mapping[str, list[str]], x: str) -> tuple[float, str]:
    """Returns how many curves a figure with this x axis has; infinity if it is no number."""
    numeric = all(isinstance(row.fields.get(x), int | float) for row in rows)
    others = [name for name in fields if name != x]
    curves = {tuple(row.fields.get(name) for name in others) for row in rows}
    return (len(curves) if numeric else math.inf, x)


def _metrics(rows: Sequence[Row], wanted: list[str]) -> dict[str, str]:
    """Returns the metrics to show and their labels; UsageError lists those that exist."""
    known = dict.fromkeys(name for row in rows for name in row.numbers)
    for name in wanted:
        lookup("metric", name, known)
    samples = "/".join(str(k) for k in sorted({row.iwae_samples for row in rows}))
    labels = results.labels(known, samples)
    return {name: labels[name] for name in wanted or [name for name in labels if name not in results.COSTS]}


def _estimates(rows: Sequence[Row], metrics: Mapping[str, str]) -> dict[str, results.Estimate]:
    shared = [name for name in metrics if all(name in row.numbers for row in rows)]
    return {name: results.over_seeds(rows, name) for name in shared}


def _print_left_out(left_out: list[str]) -> None:
    if left_out:
        print(f"left out, {len(left_out)} runs: {_some(left_out)}")


def _some(left_out: list[str]) -> str:
    return ", ".join(left_out[:5]) + (" ..." if len(left_out) > 5 else "")


def _print_differences(rows: Sequence[Row], fields: Mapping[str, list[str]]) -> None:
    varying = any(row.fields != rows[0].fields for row in rows)
    print(f"{len(rows)} runs; their configs differ in:" if varying else f"{len(rows)} run, one config")
    for name in [*fields, "seed"]:
        values = sorted({row.fields.get(name) for row in rows}, key=lambda value: (str(type(value)), value))
        if len(values) > 1:
            others = f"   (and with it {', '.join(fields[name])})" if fields.get(name) else ""
            print(f"  {name:<20} {_in_short(values)}{others}")


def _in_short(values: Sequence[object]) -> str:
    """All values, or of many the first and the last and how many they are."""
    names = [_shown(value) for value in values]
    if len(names) <= 12:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, ..., {names[-1]} ({len(names)} values)"


def _print_table(table: Table, by: list[str], metrics: Mapping[str, str]) -> None:
    """Prints one table, or one for each metric where the terminal is too narrow for that."""
    console = streams.console(width=None if sys.stdout.isatty() else 240, highlight=False)
    print("\nmean ± 95% confidence interval over seeds:")
    whole = _rich_table(table, by, list(metrics))
    fits = console.measure(whole, options=console.options.update_width(10_000)).maximum <= console.width
    for shown in [whole] if fits else [_rich_table(table, by, [name]) for name in metrics]:
        console.print(shown)
    if len(table) > SHOWN:
        print(f"... and {len(table) - SHOWN} more: all are in the CSV; --where chooses some")
    for name, label in metrics.items():
        print(f"  {name}: {label}")


def _rich_table(table: Table, by: list[str], metrics: list[str]):
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=None, pad_edge=False)
    for name in [*by, "runs", *metrics]:
        shown.add_column(Text(printable(name)), no_wrap=True)
    for key, estimates in itertools.islice(table.items(), SHOWN):
        counts = {str(estimate.count) for estimate in estimates.values()}
        numbers = [str(estimates.get(name, "")) for name in metrics]
        cells = [*map(printable, map(str, key)), "/".join(counts), *numbers]
        shown.add_row(*map(Text, cells))  # a str would be read as rich's markup
    return shown


def _write(
    output: pathlib.Path, rows: Sequence[Row], table: Table, by: list[str], metrics: Mapping[str, str]
) -> str:
    """Writes the CSV and the figure; returns their names."""
    from vae_jax import figures
    from vae_jax.figures.comparison import comparison

    lines = [[*by, "metric", "mean", "ci95_half_width", "runs"]]
    for key, estimates in table.items():
        lines += [[*key, name, *estimate] for name, estimate in estimates.items()]
    path = output / "comparison.csv"
    write_whole(path, csv_text(lines))
    drawn = {tuple(map(_drawn, key)): estimates for key, estimates in table.items()}
    figure = comparison(drawn, [str(_drawn(name)) for name in by], metrics)
    paths = figures.save(figure, output / "comparison", [row.run.id for row in rows])
    return ", ".join(str(path) for path in [path, *paths])


def _drawn(value: object) -> object:
    """What is text in a figure must not be read as a formula."""
    return printable(value).replace("$", r"\$") if isinstance(value, str) else value


if __name__ == "__main__":
    cli.run(main)
