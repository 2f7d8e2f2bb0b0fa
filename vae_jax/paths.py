"""Where things outside the work directory live; files that are whole or not there; locks.

A work directory may come from somebody else: nothing here writes or deletes through a link in it.
"""

import contextlib
import fcntl
import os
import pathlib
import re
from collections.abc import Iterator
from typing import TextIO

from vae_jax.errors import UsageError
from vae_jax.files import check_folder, is_there, open_file

TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]+\.tmp")


def cache_dir() -> pathlib.Path:
    """Returns the folder of prepared data and compiled programs: $VAE_JAX_CACHE if set."""
    default = pathlib.Path.home() / ".cache" / "vae_jax"
    return pathlib.Path(os.environ.get("VAE_JAX_CACHE") or default)


def write_whole(path: pathlib.Path, content: bytes | str) -> None:
    """Writes `content` beside `path`, syncs it to disk, renames it into place.

    Under a name that nobody can guess, so that nobody can have put a link there; one at `path` itself
    is replaced, and not what it leads to.
    """
    content = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def becomes(temporary: str) -> str:
    """Returns the name of the file that `write_whole` makes of one with this name; "" for another's."""
    found = TEMPORARY.fullmatch(temporary)
    return found[1] if found else ""


def append(path: pathlib.Path, text: str, delete: pathlib.Path | None = None) -> None:
    """Adds `text` to a file, which is made if need be; DamagedError where it is no regular one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with os.fdopen(open_file(path, flags, delete), "a", encoding="utf-8") as file:
        file.write(text)


def make_dir(path: pathlib.Path) -> pathlib.Path:
    """Creates `path`; raises UsageError if it cannot be created or written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create directory '{path}': {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write in directory '{path}'")
    return path


def make_inside(folder: pathlib.Path, *names: str) -> pathlib.Path:
    """Creates `folder`/name/... and returns it; DamagedError where one of these is a link, or a file."""
    make_dir(folder)
    for name in names:
        folder = folder / name
        check_folder(folder)
        make_dir(folder)
    return folder


def move_aside(path: pathlib.Path, folder: pathlib.Path, name: str) -> pathlib.Path:
    """Moves what stands at `path`, be it a link, to `folder`/`name`-<n>; returns where it is now."""
    taken = [found.name.rpartition("-") for found in folder.glob(f"{name}-*")]
    number = 1 + max((int(n) for of, _, n in taken if of == name and n.isdecimal()), default=0)
    return path.rename(folder / f"{name}-{number}")


@contextlib.contextmanager
def locked(path: pathlib.Path, wait: bool = True, delete: pathlib.Path | None = None) -> Iterator[TextIO]:
    """Holds the lock that the file `path` is, and yields it; it ends with the process at the latest.

    Raises:
      BlockingIOError: another process has it and `wait` is False.
      DamagedError: something else than a regular file stands at `path`; see there for `delete`.
    """
    with os.fdopen(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, delete), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file


def is_locked(path: pathlib.Path) -> bool:
    """Whether somebody holds the lock that the file `path` is. Makes no file."""
    if not is_there(path):
        return False
    try:
        with locked(path, wait=False):
            return False
    except BlockingIOError:
        return True
