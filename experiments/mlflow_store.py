"""Runs in MLflow's terms, written through its client."""

import collections
import contextlib
import itertools
import logging
import math
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from vae_jax.errors import UsageError
from vae_jax.results import COSTS
from vae_jax.runs import Run

SETTINGS = {  # for this process: tell no one else, print no links, soon give up a server that is away
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
RUN_ID, RESULT = "vae_jax.run_id", "vae_jax.result"  # tags by which an exported run is found again
METRICS_AT_ONCE, PARAMS_AT_ONCE = 1000, 100  # MLflow's limits
STATUSES = {"completed": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}
Point = tuple[str, float, int, int]  # name, value, milliseconds, epoch


class Store:
    """An experiment of an MLflow store.

    Raises:
      UsageError: MLflow is not installed, or there is no such store.
    """

    def __init__(self, uri: str, experiment: str):
        database = _database(uri)
        self._client = _client(uri)
        with _told(uri):
            found = self._client.get_experiment_by_name(experiment)
            if found and found.lifecycle_stage != "active":
                raise UsageError(
                    f"experiment '{experiment}' of '{uri}' is deleted: restore it or name another"
                )
            place = f"{database.absolute()}.artifacts" if database else None  # else where the server says
            made = None if found else self._client.create_experiment(experiment, place)
            self._experiment = found.experiment_id if found else made
            self._earlier = self._find()
        self._uri = uri

    def put(self, run: Run, artifacts: bool) -> bool:
        """Writes a run that has ended; returns False if it is there already, as it is now.

        What an interrupted export or an earlier attempt of the run left is deleted first.

        Raises:
          UsageError: the run is damaged, or the store cannot be written.
        """
        result = run.result()
        earlier = self._earlier.get(run.id, {})
        if run.digest() in earlier.values():
            return False
        with _told(self._uri):
            for name in earlier:
                self._client.delete_run(name)
            self._write(run, result, artifacts)
        return True

    def _find(self) -> dict[str, dict[str, str]]:
        """Returns, by the id of our run, MLflow's runs of it, each with the digest it was exported at."""
        found, page = collections.defaultdict(dict), None
        while page is None or page.token:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{RUN_ID}` LIKE '%'", page_token=page and page.token
            )
            for run in page:
                found[run.data.tags[RUN_ID]][run.info.run_id] = run.data.tags.get(RESULT, "")
        return found

    def _write(self, run: Run, result: dict[str, Any], artifacts: bool) -> None:
        from mlflow.entities import Metric, Param

        began, ended = (int(1000 * seconds) for seconds in run.times())
        created = self._client.create_run(self._experiment, began, tags(run, result), run.id)
        to = created.info.run_id
        for part in batches(params(run), PARAMS_AT_ONCE):
            self._client.log_batch(to, params=[Param(name, value) for name, value in part])
        for part in batches(points(run, result, began, ended), METRICS_AT_ONCE):
            self._client.log_batch(to, metrics=[Metric(n, v, when, epoch) for n, v, when, epoch in part])
        for path in (run.path / "config.json", run.path / "result.json") if artifacts else ():
            self._client.log_artifact(to, str(path))
        self._client.set_terminated(to, STATUSES[result["status"]], ended)
        self._client.set_tag(to, RESULT, run.digest())  # last: without it, the export was interrupted


def params(run: Run) -> list[tuple[str, str]]:
    """Returns the flattened config as text."""
    return [(name, str(value)) for name, value in run.fields().items() if name != "data_fingerprint"]


def tags(run: Run, result: dict[str, Any]) -> dict[str, str]:
    """Returns what says where a run comes from, and how it ended."""
    versions = {f"version.{name}": version for name, version in result.get("versions", {}).items()}
    others = {name: result.get(name) for name in ("device", "error", "diverged_step")}
    others |= {"vae_jax.status": result["status"], "data_fingerprint": run.fields()["data_fingerprint"]}
    return {RUN_ID: run.id} | versions | {n: str(v) for n, v in others.items() if v is not None}


def points(run: Run, result: dict[str, Any], began: int, ended: int) -> Iterator[Point]:
    """Yields the metrics of every epoch and of the end; NaN for what a diverged run has no number of."""
    for line in run.metrics():
        when = began + int(1000 * (line.get("seconds") or 0.0))
        for name in (name for name in line if "/" in name):
            yield name, _number(line[name]), when, line["epoch"]
    costs = {name: result[name] for name in COSTS if result.get(name) is not None}
    for name, value in (result.get("metrics", {}) | costs).items():
        yield name, _number(value), ended, result.get("epochs", 0)


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yields the items in lists of at most so many."""
    items = iter(items)
    while part := list(itertools.islice(items, size)):
        yield part


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _database(uri: str) -> pathlib.Path | None:
    """Returns the file of a SQLite URI, None for a server; UsageError for anything else."""
    path = uri.removeprefix("sqlite:///")
    if path != uri and path:
        file = pathlib.Path(path)
        if not file.absolute().parent.is_dir() or file.is_dir():
            raise UsageError(f"--mlflow: no file can be at '{file}'")
        return file
    if not uri.startswith(("http://", "https://")):
        raise UsageError(f"--mlflow needs sqlite:///FILE or http(s)://SERVER, not '{uri}'")
    return None


def _client(uri: str) -> Any:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import alembic  # noqa: F401 (mlflow-skinny needs both for SQLite, and does not ask for them)
        import sqlalchemy  # noqa: F401
        from mlflow import MlflowClient
    except ImportError as error:
        raise UsageError(f"--mlflow needs MLflow ({error}): pip install -e .[mlflow]") from None
    for noisy in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with _told(uri):
        return MlflowClient(uri)


@contextlib.contextmanager
def _told(uri: str) -> Iterator[None]:
    """What MLflow has to say of a store is one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"MLflow store '{uri}': {reason[:300]}") from None
