"""An index of finished runs, so that ten thousand are listed in seconds.

<workdir>/index.jsonl holds, after its own checksum, a line for each: its row, and the sizes and
times of the files that the row was read from. A run whose files are others by now is read again, and
so is everything when the index is gone or damaged: it holds nothing that the runs do not.
"""

import contextlib
import json
import os
import pathlib
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from vae_jax import __version__, files
from vae_jax.config import hash_text
from vae_jax.errors import DamagedError
from vae_jax.paths import write_whole
from vae_jax.runs import Run

NAME = "index.jsonl"
FILES = ("config.json", "result.json", "metrics.jsonl")  # what a row is read from
Stamp = list[int]


def stamp(run: Run) -> Stamp | None:
    """Returns sizes and times of a run's files; None where one is missing, or is no regular file.

    The time of the last change of any kind is there too: files that were moved keep the other.
    """
    folder, numbers = os.fspath(run.path), []
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return None
        for name in FILES:
            found = os.lstat(f"{folder}/{name}")
            if not stat.S_ISREG(found.st_mode):
                return None
            numbers += [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
        return numbers
    return None


def load(workdir: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns {run id: {"stamp": ..., "row": ...}}; nothing where the index is not as it was written."""
    with contextlib.suppress(OSError, DamagedError, ValueError, KeyError, TypeError, RecursionError):
        head, _, body = files.read_text(workdir / NAME).partition("\n")
        if head == _head(body):
            entries = [json.loads(line) for line in body.splitlines()]
            return {entry.pop("id"): entry for entry in entries}
    return {}


def save(workdir: pathlib.Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the index; a directory that cannot be written goes without."""
    body = "".join(json.dumps({"id": name, **entry}) + "\n" for name, entry in sorted(entries.items()))
    with contextlib.suppress(OSError):
        write_whole(workdir / NAME, f"{_head(body)}\n{body}")


def _head(body: str) -> str:
    """Returns the first line, which vouches for the others, as this version writes them."""
    return json.dumps({"vae_jax": __version__, "sha256": hash_text(body)})


def lookup(entries: Mapping[str, Mapping[str, Any]], run: Run, now: Sequence[int] | None) -> Any:
    """Returns what the index holds of a run with this stamp, or None."""
    entry = entries.get(run.id)
    return entry.get("row") if now is not None and entry and entry.get("stamp") == now else None
