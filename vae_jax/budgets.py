"""Budgets: `stop_epoch` ends a training before `num_epochs`, and a larger budget goes on from there.

What a run trains up to an epoch does not depend on its budget: schedule and warm-up go by
`num_epochs`. So a run that its budget ends keeps its whole state, and the same config with a larger
one need not begin anew.
"""

import contextlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from vae_jax import checkpoints, config, runs
from vae_jax.errors import UsageError

STATE = "stopped.npz"
MANY = 100_000  # budgets to try one by one: half a second


def budget(fields: ConfigDict | Mapping[str, Any]) -> int:
    """Returns after how many epochs a run stops at the latest."""
    return fields.get("stop_epoch") or fields["num_epochs"]  # configs of other versions may lack it


def shorter(run: runs.Run, fields: ConfigDict, text: str) -> Iterator[runs.Run]:
    """Yields the runs of the same training with a smaller budget that kept their state, longest first.

    Args:
      text: of the run's config.json.
    """
    budgets = range(budget(fields) - 1, 0, -1)
    if len(budgets) > MANY:
        budgets = [epoch for epoch in _budgets_in(run.path.parent) if epoch in budgets]
    for run_id in config.run_ids(text, "stop_epoch", budgets):
        if os.path.exists(f"{run.path.parent}/{run_id}/checkpoints/{STATE}"):  # many: no pathlib
            yield runs.Run(run.path.parent / run_id)


def _budgets_in(workdir: pathlib.Path) -> list[int]:
    """Returns the budgets of the runs there that kept their state, largest first."""
    found = set()
    for path in workdir.glob(f"*/checkpoints/{STATE}"):
        with contextlib.suppress(UsageError):  # damaged: not gone on from
            found.add(budget(runs.Run(path.parent.parent).fields()))
    return sorted(found, reverse=True)


def state(run: runs.Run, like: Callable[[], Any]) -> Any:
    """Returns the state that a run was stopped in, or None where it cannot be relied on.

    Args:
      like: makes the structure, shapes and types that it has.
    """
    try:
        result = run.final_result()  # vouches for its metrics, which go with the state
        if result is None:
            return None
        run.check(result, f"checkpoints/{STATE}")
        return checkpoints.restore(run.checkpoints / STATE, like())
    except UsageError as error:
        print(f"not gone on from: {error}", file=sys.stderr)
        return None
