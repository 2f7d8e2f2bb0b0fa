"""Where things outside the work directory live; files that are whole or not there; locks."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator
from typing import TextIO

from vae_jax.errors import UsageError


def cache_dir() -> pathlib.Path:
    """Returns the folder of prepared data and compiled programs: $VAE_JAX_CACHE if set."""
    default = pathlib.Path.home() / ".cache" / "vae_jax"
    return pathlib.Path(os.environ.get("VAE_JAX_CACHE") or default)


def write_whole(path: pathlib.Path, content: bytes | str) -> None:
    """Writes `content` beside `path`, syncs it to disk, renames it into place."""
    content = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def make_dir(path: pathlib.Path) -> pathlib.Path:
    """Creates `path`; raises UsageError if it cannot be created or written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create directory '{path}': {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write in directory '{path}'")
    return path


@contextlib.contextmanager
def locked(path: pathlib.Path, wait: bool = True) -> Iterator[TextIO]:
    """Holds the lock that the file `path` is, and yields it; it ends with the process at the latest.

    Raises:
      BlockingIOError: another process has it and `wait` is False.
    """
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file
