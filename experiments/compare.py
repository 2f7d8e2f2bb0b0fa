"""Compare finished runs: what differs between their configs, and what came of it.

    python -m experiments.compare results
    python -m experiments.compare results --metric=test/mse,test/nll --by=latent_size

Prints the fields in which the configs differ, then each group's metrics as mean ± 95%
confidence interval over seeds (Student's t); writes comparison.csv, .png and .pdf.
"""

import csv
import io
import pathlib
import sys
from collections.abc import Mapping, Sequence

from experiments import cli
from vae_jax import results
from vae_jax.config import differing
from vae_jax.errors import lookup
from vae_jax.evaluate import METRICS
from vae_jax.figures.comparison import Table
from vae_jax.paths import make_dir, write_whole
from vae_jax.results import Row


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    parser.add_argument("dirs", nargs="+", type=pathlib.Path, metavar="DIR", help="work directories of runs")
    parser.add_argument("--metric", default="", help="metrics joined by commas; default: all test metrics")
    parser.add_argument(
        "--by", default="", help="config fields to put first, joined by commas; x axis: the first"
    )
    parser.add_argument("--output", type=pathlib.Path, help="where to write; default: DIR/comparison")
    arguments = parser.parse(argv)
    rows, left_out = results.read_all(arguments.dirs)
    by = _fields(rows, _split(arguments.by))
    groups = results.group(rows, by)
    metrics = _metrics(rows, _split(arguments.metric))
    table = {key: _estimates(members, metrics) for key, members in groups.items()}

    output = cli.writable(arguments.output or arguments.dirs[0] / "comparison")
    _print(rows, left_out, table, by, metrics)
    print(f"\nwrote {_write(output, rows, table, by, metrics)}")
    return 0


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _fields(rows: Sequence[Row], first: list[str]) -> list[str]:
    """All fields that differ, `first` ahead: a mean never runs over anything but seeds."""
    return first + [name for name in differing([row.fields for row in rows]) if name not in first]


def _metrics(rows: Sequence[Row], wanted: list[str]) -> dict[str, str]:
    """Returns the metrics to show and their labels; UsageError lists those that exist."""
    known = dict.fromkeys(name for row in rows for name in row.numbers)
    for name in wanted:
        lookup("metric", name, known)
    samples = "/".join(str(k) for k in sorted({row.iwae_samples for row in rows}))
    ordered = [f"test/{name}" for name in METRICS if f"test/{name}" in known]
    return {name: METRICS.get(name[5:], name).format(k=samples) for name in wanted or ordered}


def _estimates(rows: Sequence[Row], metrics: Mapping[str, str]) -> dict[str, results.Estimate]:
    shared = [name for name in metrics if all(name in row.numbers for row in rows)]
    return {name: results.over_seeds(rows, name) for name in shared}


def _print(
    rows: Sequence[Row], left_out: list[str], table: Table, by: list[str], metrics: Mapping[str, str]
) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    if left_out:
        print(
            f"left out, {len(left_out)} runs: {', '.join(left_out[:5])}{' ...' if len(left_out) > 5 else ''}"
        )
    print(f"{len(rows)} runs; their configs differ in:" if by else f"{len(rows)} runs of one config")
    for name in [*by, "seed"]:
        values = sorted({row.fields[name] for row in rows}, key=lambda value: (str(type(value)), value))
        if len(values) > 1:
            print(f"  {name:<26} {', '.join(str(value) for value in values)}")
    print("\nmean ± 95% confidence interval over seeds:")
    shown = RichTable(*by, "runs", *metrics, box=None, pad_edge=False)
    for key, estimates in table.items():
        counts = {str(estimate.count) for estimate in estimates.values()}
        numbers = [str(estimates.get(name, "")) for name in metrics]
        shown.add_row(*map(str, key), "/".join(counts), *numbers)
    console.print(shown)
    for name, label in metrics.items():
        print(f"  {name}: {label}")


def _write(
    output: pathlib.Path, rows: Sequence[Row], table: Table, by: list[str], metrics: Mapping[str, str]
) -> str:
    """Writes the CSV and the figure; returns their names."""
    from vae_jax import figures
    from vae_jax.figures.comparison import comparison

    make_dir(output)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*by, "metric", "mean", "ci95_half_width", "runs"])
    for key, estimates in table.items():
        writer.writerows([*key, name, *estimate] for name, estimate in estimates.items())
    path = output / "comparison.csv"
    write_whole(path, text.getvalue())
    figure = comparison(table, by, metrics)
    paths = figures.save(figure, output / "comparison", [row.run.id for row in rows])
    return ", ".join(str(path) for path in [path, *paths])


if __name__ == "__main__":
    cli.run(main)
