"""Reading files that may come from somebody else or from a failing disk: the one place that opens them.

What is read is a regular file of a bounded size. No link is followed, neither the file itself nor a
folder between it and the work directory, and nothing that cannot be read makes a reader wait. What is
not so, or is not what it should hold, is a DamagedError that names the file; only a missing file is a
FileNotFoundError.
"""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import pathlib
import stat
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from vae_jax.errors import DamagedError

MOST_BYTES = 1 << 30  # of a text or a picture
MOST_ARCHIVE_BYTES = 16 << 30  # of a file whose digest alone is asked for
DEPTH = 20  # of objects and lists in one another: more than any file of ours has
CONTAINERS = (dict, list)
SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY  # a named pipe would wait for a writer
WHY = {
    errno.ELOOP: "a link",
    errno.EISDIR: "a folder",
    errno.ENOTDIR: "not in a folder",
    errno.ENXIO: "no regular file",
    errno.ENODEV: "no regular file",
    errno.EACCES: "it may not be read or written",
    errno.EPERM: "it may not be read or written",
    errno.EIO: "the disk does not give it",
}
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFREG: "a file"}


def is_there(path: pathlib.Path | str) -> bool:
    """Whether anything stands at `path`, be it a link that leads nowhere."""
    return os.path.lexists(path)


def check_folder(path: pathlib.Path, delete: pathlib.Path | None = None) -> None:
    """Raises DamagedError where something other than a folder stands at `path`; nothing may stand there."""
    _check_kind(path, stat.S_IFDIR, delete)


def check_file(path: pathlib.Path, delete: pathlib.Path | None = None) -> None:
    """Raises DamagedError where something other than a file stands at `path`; nothing may stand there."""
    _check_kind(path, stat.S_IFREG, delete)


def _check_kind(path: pathlib.Path, wanted: int, delete: pathlib.Path | None) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        if kind != wanted:
            raise DamagedError(path, delete, KINDS.get(kind, "no regular file"))


def open_file(path: pathlib.Path, flags: int, delete: pathlib.Path | None = None) -> int:
    """Returns the descriptor of a regular file, opened without following a link or waiting.

    Raises:
      DamagedError: something else stands at `path`, or it may not be opened.
      FileNotFoundError: nothing does, and `flags` do not create it.
    """
    try:
        descriptor = os.open(path, flags | SAFELY, 0o666)
    except OSError as error:
        raise _as_damage(error, path, delete) from None
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise DamagedError(path, delete, KINDS.get(kind, "no regular file"))
    return descriptor


def _as_damage(error: OSError, path: pathlib.Path, delete: pathlib.Path | None) -> Exception:
    """Returns what an error of one file is; a full disk, or too many open files, is no file's fault."""
    return DamagedError(path, delete, WHY[error.errno]) if error.errno in WHY else error


@contextlib.contextmanager
def opened(
    path: pathlib.Path,
    within: pathlib.Path | None = None,
    delete: pathlib.Path | None = None,
    most: int = MOST_BYTES,
) -> Iterator[tuple[BinaryIO, int]]:
    """Yields a file to read, and its size in bytes.

    Args:
      within: the folder above it, below which no folder may be a link; None for the one that it is in.
      delete: what the user is to delete where it is damaged; see DamagedError.
      most: bytes that it may have.

    Raises:
      DamagedError: see above; also while it is read.
      FileNotFoundError: there is none.
    """
    for folder in _between(within, path):
        check_folder(folder, delete)
    with os.fdopen(open_file(path, os.O_RDONLY, delete), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise DamagedError(path, delete, "too large")
        try:
            yield file, size
        except OSError as error:
            raise _as_damage(error, path, delete) from None


def _between(within: pathlib.Path | None, path: pathlib.Path) -> list[pathlib.Path]:
    folders = []
    while within is not None and (path := path.parent) != within:
        folders.insert(0, path)
    return folders


def read(path: pathlib.Path, within: pathlib.Path | None = None, delete: pathlib.Path | None = None) -> bytes:
    """Returns the content of a file; see `opened`."""
    with opened(path, within, delete) as (file, size):
        return file.read(size)


def read_text(
    path: pathlib.Path, within: pathlib.Path | None = None, delete: pathlib.Path | None = None
) -> str:
    """Returns the content of a text file; see `opened`."""
    try:
        return read(path, within, delete).decode()
    except UnicodeDecodeError:
        raise DamagedError(path, delete) from None


def sha256(path: pathlib.Path, within: pathlib.Path | None = None, delete: pathlib.Path | None = None) -> str:
    """Returns the digest of a file's content in hexadecimal digits; see `opened`."""
    with opened(path, within, delete, MOST_ARCHIVE_BYTES) as (file, size):
        small = size < 1 << 20
        found = hashlib.sha256(file.read()) if small else hashlib.file_digest(file, "sha256")
    return found.hexdigest()


def read_json(
    path: pathlib.Path, within: pathlib.Path | None = None, delete: pathlib.Path | None = None
) -> dict[str, Any]:
    """Returns the JSON object that a file holds; NaN and infinity may be in it. See `opened`."""
    try:
        return parse_object(read(path, within, delete), finite=False)
    except ValueError as error:
        raise error if isinstance(error, DamagedError) else DamagedError(path, delete) from None


def _refuse(literal: str) -> None:
    raise ValueError(f"{literal} is no number of JSON")


_FINITE = json.JSONDecoder(parse_constant=_refuse)
_ANY = json.JSONDecoder()


def parse_object(text: bytes | str, finite: bool = True) -> dict[str, Any]:
    """Returns a JSON object from text.

    Raises:
      ValueError: it is no JSON, no object, nested too deeply, or NaN or Infinity stands where it may not.
    """
    text = text.decode() if isinstance(text, bytes) else text
    try:
        content = (_FINITE if finite else _ANY).decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("no object")
    _check_depth(content, DEPTH)
    return content


def _check_depth(content: Any, left: int) -> None:
    if not left:
        raise ValueError("nested too deeply")
    for value in content.values() if type(content) is dict else content:
        if type(value) in CONTAINERS:  # of thousands of values: no isinstance
            _check_depth(value, left - 1)


def read_csv(
    path: pathlib.Path, header: Sequence[str], within: pathlib.Path | None = None
) -> list[dict[str, str]]:
    """Returns the rows of a CSV file with this header, each under the names of its columns; see `opened`."""
    try:
        first, *rows = csv.reader(io.StringIO(read_text(path, within), newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        raise error if isinstance(error, DamagedError) else DamagedError(path) from None
    if first != list(header) or any(len(row) != len(first) for row in rows):
        raise DamagedError(path)
    return [dict(zip(first, row, strict=True)) for row in rows]
