"""How far the runs in a directory are.

    python -m experiments.status results
    python -m experiments.status results --watch

Prints how many runs are completed, diverged, failed, in training or stopped on the way, how far
those in training are, and the best of each kind by validation loss. --watch prints it anew every
few seconds, until nothing trains any more.
"""

import math
import pathlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from experiments import cli
from vae_jax import results
from vae_jax.budgets import budget
from vae_jax.config import differing, flatten
from vae_jax.errors import UsageError
from vae_jax.results import Row
from vae_jax.runs import Run

WATCH_SECONDS = 2.0
SHOWN = 8  # runs in training that are listed
STATES = ("completed", "diverged", "failed", "training", "stopped", "damaged")
KIND = ("dataset", "binarize", "objective", "likelihood")  # only within these are losses comparable


class State(NamedTuple):
    """How a run is: one of STATES, its config, epochs done, and its loss: the best, or the last so far."""

    run: Run
    state: str
    fields: dict[str, Any]
    epoch: int
    loss: float


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    parser.add_argument("dir", type=pathlib.Path, metavar="DIR", help="work directory of runs")
    parser.add_argument("--watch", action="store_true", help="print it anew until nothing trains")
    arguments = parser.parse(argv, overridable=False)
    while True:
        states = read(arguments.dir)
        print("\n".join(lines(states, arguments.dir)), flush=True)
        if not (arguments.watch and any(state.state == "training" for state in states)):
            return 0
        time.sleep(WATCH_SECONDS)
        print()


def read(workdir: pathlib.Path) -> list[State]:
    """Returns the state of every run that has begun."""
    return [_state(run, row) for run, row in results.indexed(workdir, strict=False) if run.exists]


def _state(run: Run, row: Row | UsageError | None) -> State:
    if isinstance(row, UsageError):
        return State(run, "damaged", {}, 0, math.nan)
    if row is not None:
        fields = {name: value for name, value in row.fields.items() if name != "data_fingerprint"}
        epochs, loss = (row.numbers.get(name, math.nan) for name in ("epochs", "valid_loss"))
        return State(run, row.status, fields, epochs, loss)
    try:
        fields, metrics = flatten(run.config()[0]), run.metrics()
    except UsageError:
        return State(run, "damaged", {}, 0, math.nan)
    loss = metrics[-1]["valid/loss"] if metrics else None
    return State(run, "training" if run.is_held() else "stopped", fields, len(metrics), loss or math.nan)


def lines(states: Sequence[State], workdir: pathlib.Path) -> list[str]:
    """Returns what is printed: counts, runs in training, damaged ones, the best of each kind."""
    counts = Counter(state.state for state in states)
    told = ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name])
    names = [*differing([state.fields for state in states if state.fields]), "seed"]
    training = [state for state in states if state.state == "training"]
    shown = [f"{len(states)} runs in {workdir}" + (f": {told}" if told else "")]
    shown += [
        f"  {state.run.id}  epoch {state.epoch}/{budget(state.fields)}  "
        f"valid {state.loss:.5g}  {_label(state, names)}"
        for state in training[:SHOWN]
    ]
    shown += [f"  ... and {len(training) - SHOWN} more in training"] if len(training) > SHOWN else []
    shown += [f"  damaged: delete '{state.run.path}'" for state in states if state.state == "damaged"]
    return shown + [f"best: valid {s.loss:.5g}  {s.run.id}  {_label(s, names)}" for s in best(states)]


def best(states: Iterable[State]) -> list[State]:
    """Returns the completed run of the lowest validation loss, for each data set and kind of loss."""
    found: dict[tuple, State] = {}
    for state in states:
        if state.state == "completed" and not math.isnan(state.loss):
            kind = tuple(state.fields[name] for name in KIND)
            found[kind] = min(found.get(kind, state), state, key=lambda one: one.loss)
    return list(found.values())


def _label(state: State, names: Sequence[str]) -> str:
    return " ".join(f"{name}={state.fields.get(name)}" for name in names)


if __name__ == "__main__":
    cli.run(main)
