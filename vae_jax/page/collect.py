"""What the page shows of a work directory, as one JSON-able value."""

import base64
import math
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vae_jax import files, results
from vae_jax.config import differing, flatten
from vae_jax.errors import DamagedError, UsageError
from vae_jax.figures.style import CLASS_COLORS, run_ids
from vae_jax.page.explorer import explorer
from vae_jax.results import Row
from vae_jax.runs import RUN_ID, Run
from vae_jax.statistics import Estimate

LEADING = ("dataset", "posterior")  # of fields that vary together, those that say most
CURVE_POINTS = 200  # of one curve, at most
CURVE_NUMBERS = 600_000  # of all curves together: about 4 MB
TOLD = 8  # damaged files that are named in the terminal; the page names all
CLAIMS = ("study", "claim", "verdict", "mean", "ci95_half_width", "seeds", "bound")  # of a table of claims


def collect(
    workdir: pathlib.Path,
    questions: Mapping[str, str],
    explore: Sequence[str] = (),
    manual_dir: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Returns runs, curves, claims, figures and decoders.

    Args:
      questions: of the studies, by name; they stand under the figures of that name.
      explore: ids of the runs whose decoders are wanted; else some are chosen.
      manual_dir: see `data.load`.

    Raises:
      UsageError: no directory, no run in it, an id in `explore` that is no finished run.
    """
    rows, errors = _rows(workdir)
    if not rows:
        more = f"; {errors[0]}" if errors else ""
        raise UsageError(f"no run in '{workdir}'{more}")
    figures = _sound(lambda path: _figure(path, workdir, questions), _images(workdir), errors)
    tables = sorted(workdir.glob("figures/*/claims.csv"))
    claims = _sound(lambda path: _claims(path, workdir), tables, errors)
    mapped = {run for figure in figures if figure["name"] == "latent_map" for run in figure["runs"]}
    _tell(errors)
    return {
        "name": workdir.resolve().name,
        "colors": CLASS_COLORS,
        "damaged": [_name(error.path, workdir) for error in errors],
        "claims": claims,
        "figures": figures,
        "table": _table(rows),
        "curves": _curves(rows),
        "explorer": explorer(rows, mapped, explore, manual_dir),
    }


def _rows(workdir: pathlib.Path) -> tuple[list[Row], list[DamagedError]]:
    """Returns every run that has begun, and what is wrong with those that are damaged."""
    rows, errors = [], []
    for run, row in results.indexed(workdir):
        try:
            if isinstance(row, DamagedError):
                raise row
            if row is None and run.exists:
                run.metrics()  # DamagedError, for the curves
                row = Row(run, flatten(run.config()[0]), "not finished", {}, 0)
            rows += [row] if row else []
        except DamagedError as error:
            errors.append(error)
    return rows, errors


def _sound(
    read: Callable[[pathlib.Path], dict[str, Any]], paths: Iterable[pathlib.Path], errors: list[DamagedError]
) -> list[dict[str, Any]]:
    """Returns what is read from those files that can be; `errors` gets what is wrong with the others."""
    found = []
    for path in paths:
        try:
            found.append(read(path))
        except DamagedError as error:
            errors.append(error)
        except FileNotFoundError:  # since it was listed
            continue
    return found


def _tell(errors: Sequence[DamagedError]) -> None:
    for error in errors[:TOLD]:
        print(f"left out: {error}", file=sys.stderr)
    if len(errors) > TOLD:
        print(f"left out: {len(errors) - TOLD} more that are damaged", file=sys.stderr)


def _name(path: pathlib.Path, workdir: pathlib.Path) -> str:
    """Returns a path as short as the work directory allows: a run is its id."""
    first, *others = path.relative_to(workdir).parts
    return first if RUN_ID.fullmatch(first) else "/".join([first, *others])


def _table(rows: Sequence[Row]) -> dict[str, Any]:
    """Returns the runs, the fields in which their configs differ, and what is the same in all.

    Of fields that vary together one stands for the others, which are named beside it.
    """
    configs = [{n: v for n, v in row.fields.items() if n != "data_fingerprint"} for row in rows]
    names = differing(configs)
    ordered = dict.fromkeys([*(n for n in LEADING if n in names), *names])
    varying = results.together(rows, list(ordered))
    numbers = {name for row in rows for name in row.numbers}
    samples = "/".join(sorted({str(row.iwae_samples) for row in rows if row.iwae_samples}))
    return {
        "fields": {**varying, "seed": []},
        "same": {n: plain(v) for n, v in configs[0].items() if n not in names and n != "seed"},
        "metrics": results.labels(numbers, samples),
        "rows": [_row(row, [*names, "seed"]) for row in rows],
    }


def _row(row: Row, names: Sequence[str]) -> dict[str, Any]:
    fields = {name: plain(row.fields.get(name)) for name in names}
    return {"id": row.run.id, "status": row.status} | fields | {n: plain(v) for n, v in row.numbers.items()}


def plain(value: Any) -> str | float | int | None:
    """Returns numbers and text as they are, with no NaN and infinity, and all else as its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str) or type(value) in (int, float):
        return value
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _curves(rows: Sequence[Row]) -> dict[str, dict[str, list[float | None]]]:
    """Returns, for each run, its metrics of some epochs, 'epoch' among them."""
    lines = {row.run.id: metrics for row in rows if (metrics := _metrics(row.run))}
    columns = max((len(metrics[-1]) for metrics in lines.values()), default=1)
    points = max(20, min(CURVE_POINTS, CURVE_NUMBERS // (columns * max(len(lines), 1))))
    return {run: thinned(metrics, points) for run, metrics in lines.items()}


def _metrics(run: Run) -> list[dict[str, float | None]]:
    try:
        return run.metrics()
    except UsageError:
        return []


def thinned(metrics: Sequence[Mapping[str, Any]], points: int) -> dict[str, list[float | None]]:
    """Returns at most `points` of the lines, evenly spread, the first and the last among them."""
    kept = np.unique(np.linspace(0, len(metrics) - 1, min(points, len(metrics))).round().astype(int))
    names = [name for name in metrics[-1] if name != "step"]
    return {name: [_rounded(metrics[index].get(name)) for index in kept] for name in names}


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.5g}") if isinstance(value, float) and math.isfinite(value) else value


def _images(workdir: pathlib.Path) -> Iterator[pathlib.Path]:
    yield from sorted(workdir.glob("figures/*/*.png"))
    yield from sorted(workdir.glob("comparison/*.png"))


def _figure(path: pathlib.Path, workdir: pathlib.Path, questions: Mapping[str, str]) -> dict[str, Any]:
    content = files.read(path, workdir)
    return {
        "name": path.stem,
        "folder": path.parent.name,
        "path": str(path.relative_to(workdir)),
        "question": questions.get(path.stem, ""),
        "runs": run_ids(path),
        "png": base64.b64encode(content).decode(),
    }


def _claims(path: pathlib.Path, workdir: pathlib.Path) -> dict[str, Any]:
    """Returns a table of claims, the number of each as text with its interval."""
    table = files.read_csv(path, CLAIMS, workdir)
    return {"folder": path.parent.name, "claims": [row | {"measured": _measured(row)} for row in table]}


def _measured(claim: Mapping[str, str]) -> str:
    try:
        mean, half_width = float(claim["mean"]), float(claim["ci95_half_width"])
    except (KeyError, TypeError, ValueError):
        return str(claim.get("mean", ""))
    return str(Estimate(mean, half_width, 0))
