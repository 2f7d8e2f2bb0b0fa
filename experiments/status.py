"""How far the runs in a directory are.

    python -m experiments.status results
    python -m experiments.status results --watch

Prints how many runs are completed, diverged, failed, in training, stopped on the way or waiting in a
sweep that was launched, and about how long those still take; how far the runs in training are; why
runs failed; and the best of each kind by validation loss. --watch prints it anew every few seconds,
until nothing trains any more.
"""

import math
import pathlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from experiments import cli
from experiments.watch import duration
from vae_jax import results
from vae_jax.budgets import budget
from vae_jax.config import differing
from vae_jax.errors import UsageError
from vae_jax.results import Row
from vae_jax.runs import Run
from vae_jax.streams import printable
from vae_jax.sweeps import population

WATCH_SECONDS = 2.0
SHOWN = 8  # runs of each state that are listed
STATES = ("completed", "diverged", "failed", "training", "stopped", "waiting", "damaged")


class State(NamedTuple):
    """How a run is.

    Attributes:
      state: one of STATES.
      fields: its flattened config; {} where that is damaged.
      epoch: epochs done.
      loss: the best validation loss; the last so far of a run that is not over.
      seconds: that the epochs of a run that is not over took.
      holder: the process and thread that train it, or "".
      damage: what is damaged, and the way out; "" where nothing is.
    """

    run: Run
    state: str
    fields: dict[str, Any]
    epoch: int = 0
    loss: float = math.nan
    seconds: float = 0.0
    holder: str = ""
    damage: str = ""


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
    """Returns the state of every run that has begun, or that a launched sweep has still to begin."""
    begun = [_state(run, row) for run, row in results.indexed(workdir) if row or run.exists]
    known = {state.run.id for state in begun}
    planned = population.planned(workdir).items()
    return begun + [
        State(Run(workdir / run_id), "waiting", fields) for run_id, fields in planned if run_id not in known
    ]


def _state(run: Run, row: Row | UsageError | None) -> State:
    if isinstance(row, UsageError):
        return State(run, "damaged", {}, damage=str(row))
    if row is not None:
        epochs, loss = (row.numbers.get(name, math.nan) for name in ("epochs", "valid_loss"))
        return State(run, row.status, row.fields, epochs, loss)
    try:
        fields, holder, last = run.fields(), run.holder(), run.newest_metrics() or {}
    except UsageError as error:
        return State(run, "damaged", {}, damage=str(error))
    loss = last.get("valid/loss")
    loss = math.nan if loss is None else loss
    told = last.get("epoch", 0), loss, last.get("seconds", 0.0), holder
    return State(run, "training" if holder else "stopped", fields, *told)


def lines(states: Sequence[State], workdir: pathlib.Path) -> list[str]:
    """Returns what is printed: counts, runs in training and those that went wrong, the best of each kind."""
    counts = Counter(state.state for state in states)
    told = [f"{counts[name]} {name}" for name in STATES if counts[name]]
    left = seconds_left(states)
    told += [] if math.isnan(left) else [f"about {duration(left)} left"]
    compared = [_without_data(state.fields) for state in states if state.fields]
    names = [*differing(compared), "seed"]
    shown = [f"{len(states)} runs in {workdir}" + (f": {', '.join(told)}" if told else "")]
    for name, tell in {"training": _progress, "diverged": _why, "failed": _why}.items():
        shown += _some(states, name, lambda state, tell=tell: f"{tell(state)}  {_label(state, names)}")
    shown += _some(states, "damaged", lambda state: state.damage)
    shown += [f"  {error}" for error in population.damaged(workdir)]
    return shown + [f"best: valid {s.loss:.5g}  {s.run.id}  {_label(s, names)}" for s in best(states)]


def _some(states: Sequence[State], name: str, tell: Callable[[State], str]) -> list[str]:
    found = [state for state in states if state.state == name]
    more = [f"  ... and {len(found) - SHOWN} more {name}"] if len(found) > SHOWN else []
    return [f"  {tell(state)}" for state in found[:SHOWN]] + more


def _progress(state: State) -> str:
    loss = f"  valid {state.loss:.5g}" if state.epoch else ""
    return f"{state.run.id}  epoch {state.epoch}/{budget(state.fields)}{loss}"


def _why(state: State) -> str:
    """One line: where it diverged, or the error that it failed by."""
    result = state.run.result() or {}
    step, error = result.get("diverged_step"), result.get("error", "")
    why = f" at step {step}" if step is not None else ": " + " ".join(error.split()) if error else ""
    return f"{state.run.id}  {state.state}{why}"


def seconds_left(states: Sequence[State]) -> float:
    """Returns about how long the runs in training and those that wait still take; NaN if none trains.

    An epoch takes what it has taken so far, on average, and each process, or thread of one, trains its
    share of them: a run's seconds are its part of those of the thread that trains it.
    """
    training = [state for state in states if state.state == "training"]
    epochs, seconds = sum(state.epoch for state in training), sum(state.seconds for state in training)
    if not epochs:
        return math.nan
    left = sum(budget(s.fields) - s.epoch for s in states if s.state in ("training", "waiting"))
    return left * seconds / epochs / len({state.holder for state in training})


def best(states: Iterable[State]) -> list[State]:
    """Returns the completed run of the lowest validation loss, for each kind of loss."""
    found: dict[tuple, State] = {}
    for state in states:
        if state.state == "completed" and not math.isnan(state.loss):
            kind = results.kind(state.fields)
            found[kind] = min(found.get(kind, state), state, key=lambda one: one.loss)
    return list(found.values())


def _without_data(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "data_fingerprint"}


def _label(state: State, names: Sequence[str]) -> str:
    return printable(" ".join(f"{name}={state.fields.get(name)}" for name in names))


if __name__ == "__main__":
    cli.run(main)
