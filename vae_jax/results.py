"""Finished runs as rows: what was asked (the config) and what came out (the metrics)."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vae_jax import index
from vae_jax.errors import UsageError, lookup
from vae_jax.evaluate import METRICS
from vae_jax.runs import Run, all_runs
from vae_jax.statistics import Estimate, estimate

# What a result holds beside its metrics that can be compared as well, and the label of its axis.
COSTS = {
    "parameters": "parameters",
    "flops_per_image": "FLOPs per image and training step",
    "epoch_seconds": "seconds per epoch (median)",
    "seconds": "seconds of training and evaluation",
    "epochs": "epochs trained",
    "best_epoch": "epoch of the best validation loss",
    "valid_loss": "best validation loss",
}

# Fields whose values say what a loss is: losses of runs that differ in one are not comparable.
KIND = ("dataset", "binarize", "objective", "likelihood", "beta")


@dataclasses.dataclass(frozen=True)
class Row:
    """One finished run. `numbers`: its 'test/...' metrics and its COSTS."""

    run: Run
    fields: dict[str, Any]
    status: str
    numbers: dict[str, float]
    iwae_samples: int


def read(run: Run) -> Row | None:
    """Returns the row of a run, or None where it is not over; UsageError where it is damaged."""
    if not run.exists:
        return None
    fields, result = run.fields(), run.result()
    if result is None:
        return None
    numbers = result.get("metrics", {}) | {
        name: result[name] for name in COSTS if result.get(name) is not None
    }
    samples = result.get("iwae_samples", 0)
    return Row(run, fields, result["status"], numbers, samples)


def read_all(workdirs: Iterable[pathlib.Path]) -> tuple[list[Row], list[str]]:
    """Returns the completed runs under `workdirs`, each once, and what was left out and why.

    What is damaged comes first of that.
    """
    rows, damaged, left_out = {}, [], []
    for run, row in (pair for workdir in workdirs for pair in indexed(workdir)):
        if isinstance(row, UsageError):
            damaged.append(f"{getattr(row, 'path', run.path)} (damaged)")
        elif row is None or row.status != "completed":
            left_out.append(f"{run.path} ({row.status if row else 'not finished'})")
        else:
            rows[run.id] = row
    return list(rows.values()), damaged + left_out


def indexed(workdir: pathlib.Path) -> list[tuple[Run, Row | UsageError | None]]:
    """Returns every run with its row, from the index where that is up to date.

    In place of a row stands None where the run is not over, and the UsageError of one that is damaged.
    """
    entries, found, kept = index.load(workdir), [], {}
    for run in all_runs(workdir):
        stamp = index.stamp(run)
        content = index.lookup(entries, run, stamp)
        row = _from_json(run, content) if content else None
        kept_row = content if row else None
        row = row or _read(run)
        found.append((run, row))
        if isinstance(row, Row) and stamp is not None:
            kept[run.id] = {"stamp": stamp, "row": kept_row or _as_json(row)}
    if kept != entries:
        index.save(workdir, kept)
    return found


def _read(run: Run) -> Row | UsageError | None:
    try:
        return read(run)
    except UsageError as error:
        return error


def _as_json(row: Row) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name != "run"}


def _from_json(run: Run, content: dict[str, Any]) -> Row | None:
    """Returns the row that the index holds, or None where it holds something else."""
    try:
        fields = {n: tuple(v) if isinstance(v, list) else v for n, v in content["fields"].items()}
        return Row(run, **content | {"fields": fields})
    except (TypeError, KeyError, AttributeError):
        return None


def labels(names: Iterable[str], samples: str) -> dict[str, str]:
    """Returns the labels of metrics and costs, in their usual order; a user's own metric is its own label.

    Args:
      samples: k of the importance-weighted bound.
    """
    names, known = list(names), METRICS | COSTS
    ordered = [name for name in known if name in names] + sorted(set(names) - known.keys())
    return {name: known.get(name, name).format(k=samples) for name in ordered}


def kind(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns what two flattened configs agree in if their validation losses can be compared."""
    return tuple(fields[name] for name in KIND)


def select(rows: Sequence[Row], **fields: Any) -> list[Row]:
    """Returns the rows whose config has these values; `__` stands for a dot in a name."""
    wanted = {name.replace("__", "."): value for name, value in fields.items()}
    return [row for row in rows if all(row.fields[name] == v for name, v in wanted.items())]


def over_seeds(rows: Sequence[Row], number: str) -> Estimate:
    """Returns the mean and interval of one number over rows that differ in their seed alone."""
    return estimate([lookup("metric", number, row.numbers) for row in rows])


def by_seed(rows: Sequence[Row], number: str, by: str) -> tuple[list[Any], np.ndarray]:
    """Returns the sorted values of the field `by`, and the number for each of them and each seed, VxS.

    Raises:
      UsageError: a seed is missing for some value, or there are two runs for one.
    """
    found = {(row.fields[by], row.fields["seed"]): row.numbers[number] for row in rows}
    values, seeds = (sorted(set(part)) for part in zip(*found, strict=True))
    if not len(rows) == len(found) == len(values) * len(seeds):
        raise UsageError(f"needs one run for each {by} and seed, not {len(rows)} runs")
    return values, np.array([[found[value, seed] for seed in seeds] for value in values])


def together(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[str]]:
    """Groups fields that vary together: one that stands for them -> the others.

    Two fields vary together if rows that agree in one agree in the other. The earlier in `names`
    stands for the later.
    """
    classes: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        values = [repr(row.fields.get(name)) for row in rows]
        classes.setdefault(tuple(values.index(value) for value in values), []).append(name)
    return {first: others for first, *others in classes.values()}


def all_fields(rows: Iterable[Row]) -> dict[str, None]:
    """Returns the names of the fields that any row has: another version of this package has others."""
    return dict.fromkeys(name for row in rows for name in row.fields)


def group(rows: Sequence[Row], by: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    """Returns the rows that agree in the fields `by`, under those fields' values, in order.

    Raises:
      UsageError: no rows, or a field that no config has.
    """
    if not rows:
        raise UsageError("nothing to compare: no completed run here")
    known = all_fields(rows)
    for name in by:
        lookup("config key", name, known)
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.fields.get(name) for name in by), []).append(row)
    return dict(sorted(groups.items(), key=lambda item: [_order(value) for value in item[0]]))


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers by size, then everything else by its text."""
    number = isinstance(value, int | float)
    return (0, value, "") if number else (1, 0.0, str(value))
