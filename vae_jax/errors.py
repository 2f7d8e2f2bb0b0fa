"""The one exception that commands turn into a single line and exit code 2."""

import difflib
import pathlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class UsageError(ValueError):
    """Bad usage, config or input; its message is one line written for the user."""


class DamagedError(UsageError):
    """A file of a run is not as it was written; `path` is the file."""

    def __init__(self, path: pathlib.Path, run: pathlib.Path):
        super().__init__(f"'{path}' is damaged: delete '{run}' and run again")
        self.path = path


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Returns "; did you mean 'x'?" for the choice nearest to `name`, or ""."""
    nearest = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def lookup(kind: str, name: str, table: Mapping[str, Value]) -> Value:
    """Returns `table[name]`; raises UsageError that lists the table's names."""
    if name not in table:
        known = ", ".join(sorted(table)) or "none"
        raise UsageError(f"unknown {kind} {name!r}: choose from {known}{suggestion(name, table)}")
    return table[name]
