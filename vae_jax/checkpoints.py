"""Checkpoints: orbax behind a few functions, with a digest so that damage is noticed.

checkpoints/000120/        a pytree, written by orbax
checkpoints/000120.sha256  of every file in it, written last: without it there is nothing
"""

import contextlib
import hashlib
import pathlib
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from vae_jax.errors import UsageError
from vae_jax.paths import write_whole


def save(path: pathlib.Path, tree: Any) -> None:
    """Writes `tree` at `path`, whole or not at all."""
    import orbax.checkpoint as ocp  # 0.2 s: only where it is needed

    with _interrupts_wait():
        delete(path)
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), _as_arrays(tree), force=True)
        write_whole(_digest_path(path), _digest(path))


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Holds a Ctrl-C back until orbax's threads are done: they do not end well half-way."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where Python delivers no signals anyway
        return
    caught = []
    before = signal.signal(signal.SIGINT, lambda *_: caught.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if caught:
        raise KeyboardInterrupt


def restore(path: pathlib.Path, like: Any) -> Any:
    """Returns the tree at `path`; `like` gives its structure, shapes and types.

    Raises:
      UsageError: the checkpoint is missing or damaged.
    """
    if not is_intact(path):
        raise UsageError(f"checkpoint '{path}' is missing or damaged: delete its run and run again")
    import orbax.checkpoint as ocp

    target = jax.tree.map(ocp.utils.to_shape_dtype_struct, _as_arrays(like))
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            return checkpointer.restore(path.absolute(), target)
    except Exception as error:  # orbax and tensorstore each have their own
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(
            f"checkpoint '{path}' does not fit this version ({reason}): delete its run"
        ) from error


def _as_arrays(tree: Any) -> Any:
    """Orbax takes NumPy's arrays, not its scalars, which is what arithmetic on 0-d arrays gives."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, np.generic) else leaf, tree)


def save_numbered(folder: pathlib.Path, number: int, tree: Any) -> None:
    """Writes a numbered checkpoint and keeps two: if the newest is damaged, there is the other."""
    save(folder / f"{number:06d}", tree)
    keep(folder, 2)


def keep(folder: pathlib.Path, count: int) -> None:
    """Deletes all but the newest `count` numbered checkpoints and those with a name of their own."""
    kept = {"best", "last_good", *(path.name for path in saved(folder)[::-1][:count])}
    names = {entry.name.removesuffix(".sha256") for entry in folder.glob("*")}
    for name in names - kept:
        delete(folder / name)


def restore_newest(folder: pathlib.Path, fresh: Any) -> Any:
    """Returns the newest intact numbered checkpoint, or `fresh` where there is none at all.

    Raises:
      UsageError: there are some, but all of them are damaged.
    """
    keep(folder, 2)  # without what a kill left half-written
    found = saved(folder)
    for path in reversed(found):
        if is_intact(path):
            return restore(path, fresh)
        print(f"checkpoint '{path}' is damaged: looking for the one before", file=sys.stderr)
    if found:
        raise UsageError(f"no intact checkpoint in '{folder}': delete '{folder.parent}' and run again")
    return fresh


def is_intact(path: pathlib.Path) -> bool:
    digest = _digest_path(path)
    return digest.is_file() and path.is_dir() and digest.read_bytes() == _digest(path).encode()


def delete(path: pathlib.Path) -> None:
    _digest_path(path).unlink(missing_ok=True)  # first: what is half deleted must not count
    if path.is_file():  # of a digest whose writing was killed
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def saved(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the paths of the finished numbered checkpoints in `folder`, oldest first."""
    digests = sorted(folder.glob("[0-9]*.sha256"))
    return [digest.with_suffix("") for digest in digests]


def _digest_path(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".sha256")


def _digest(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
