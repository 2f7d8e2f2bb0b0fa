"""Export finished runs to MLflow: a SQLite file, or a server.

    pip install -e .[mlflow]
    python -m experiments.export results --mlflow=sqlite:///mlflow.db
    python -m experiments.export results --mlflow=http://127.0.0.1:5000 --experiment=digits --artifacts

Every finished run of the directories once: parameters (the config), metrics of every epoch and of
the end, status, times, versions. A run that is there already is left alone; one that has been
tried again since takes the place of the earlier. Look at it by `mlflow ui` of the full package.
"""

import pathlib
import sys
from collections.abc import Sequence

from experiments import cli
from vae_jax.errors import DamagedError, UsageError
from vae_jax.runs import Run, all_runs


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    parser.add_argument("dirs", type=pathlib.Path, nargs="+", metavar="DIR", help="work directory of runs")
    parser.add_argument("--mlflow", required=True, metavar="URI", help="sqlite:///FILE or http(s)://SERVER")
    parser.add_argument("--experiment", default="vae_jax", help="MLflow's experiment; made if need be")
    parser.add_argument("--artifacts", action="store_true", help="also config.json and result.json")
    arguments = parser.parse(argv, overridable=False)
    runs = finished(arguments.dirs)
    if not runs:
        raise UsageError(f"nothing to export: no finished run in {', '.join(map(str, arguments.dirs))}")

    from experiments.mlflow_store import Store  # some seconds

    store = Store(arguments.mlflow, arguments.experiment)
    new, damaged = 0, 0
    for run in runs:
        try:
            new += store.put(run, arguments.artifacts)
        except DamagedError as error:
            print(f"left out: {error}", file=sys.stderr)
            damaged += 1
    there = len(runs) - new - damaged
    told = f"{new} exported" + (f", {there} were there already" if there else "")
    told += f", {damaged} left out" if damaged else ""
    print(f"{len(runs)} finished runs: {told}: experiment '{arguments.experiment}' of {arguments.mlflow}")
    return 0


def finished(workdirs: Sequence[pathlib.Path]) -> list[Run]:
    """Returns the runs that have ended, each once, those that failed among them.

    Raises:
      UsageError: a directory that is not there.
    """
    runs: dict[str, Run] = {}
    for run in (run for workdir in workdirs for run in all_runs(workdir) if run.ended):
        if run.id not in runs or not _is_final(runs[run.id]):  # it failed there, perhaps not here
            runs[run.id] = run
    return list(runs.values())


def _is_final(run: Run) -> bool:
    try:
        return run.final_result() is not None
    except UsageError:  # damaged
        return False


if __name__ == "__main__":
    cli.run(main)
