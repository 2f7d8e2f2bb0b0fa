"""The one exception that commands turn into a single line and exit code 2."""

import difflib
import pathlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class UsageError(ValueError):
    """Bad usage, config or input; its message is one line written for the user."""


class DamagedError(UsageError):
    """A file or folder of a work directory is not as it was written.

    Attributes:
      path: what is damaged.
    """

    def __init__(self, path: pathlib.Path, delete: pathlib.Path | None = None, why: str = ""):
        """Takes what is to be deleted, `path` itself unless given, and in a few words what is wrong."""
        told = f"'{delete}'" if delete and delete != path else "it"
        super().__init__(f"'{path}' is damaged{f' ({why})' if why else ''}: delete {told} and run again")
        self.path = path


class HeldError(UsageError):
    """Another process has the run; it lets go of it at the end of its training, or where it dies."""


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
