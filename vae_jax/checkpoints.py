"""Checkpoints: a pytree in one NumPy archive, whole or not there, and damage to it noticed.

checkpoints/000120.npz  an array for each leaf, named by its path; the SHA-256 of all before it is
                        at the end, where `np.load` does not look
"""

import hashlib
import io
import pathlib
import sys
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.errors import UsageError
from vae_jax.paths import write_whole

SUFFIX = ".npz"
KEPT_FOR_GOOD = ("best.npz", "last_good.npz", "stopped.npz")
DIGEST_BYTES = hashlib.sha256().digest_size


def save(path: pathlib.Path, tree: Any) -> None:
    """Writes `tree` at `path`, whole or not at all; UsageError where the folder cannot be made."""
    arrays = {name: np.asarray(without_keys(leaf)) for name, leaf in _named(tree).items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with buffer.getbuffer() as archive:
        digest = hashlib.sha256(archive).digest()
    buffer.write(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Let go of even where the disk is full: Python 3.12.1 crashes on a view that garbage holds.
    with buffer.getbuffer() as content:
        write_whole(path, content)


def restore(path: pathlib.Path, like: Any) -> Any:
    """Returns the tree at `path`; `like` gives its structure, shapes and types.

    Raises:
      UsageError: the checkpoint is missing or damaged, or its arrays are others.
    """
    content = _content(path)
    if content is None:
        raise UsageError(f"checkpoint '{path}' is missing or damaged: {_anew(path)}")
    arrays, wanted = _arrays(content), _named(like)
    if {name: _form(leaf) for name, leaf in arrays.items()} != {n: _form(leaf) for n, leaf in wanted.items()}:
        raise UsageError(f"checkpoint '{path}' does not fit this version: {_anew(path)}")
    ordered = [with_keys(leaf, arrays[name]) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), ordered)


def save_numbered(folder: pathlib.Path, number: int, tree: Any) -> None:
    """Writes a numbered checkpoint and keeps two: if the newest is damaged, there is the other."""
    save(folder / f"{number:06d}{SUFFIX}", tree)
    keep(folder, 2)


def keep(folder: pathlib.Path, count: int) -> None:
    """Deletes all but the newest `count` numbered checkpoints and those with a name of their own."""
    kept = {*KEPT_FOR_GOOD, *(path.name for path in saved(folder)[::-1][:count])}
    for path in folder.glob("*"):
        if path.name not in kept:
            path.unlink(missing_ok=True)  # two processes can find a run finished at the same time


def restore_newest(folder: pathlib.Path, fresh: Any) -> Any:
    """Returns the newest intact numbered checkpoint, or `fresh` where there is none at all.

    Deletes nothing; what a kill left half-written goes with the next `save_numbered`.

    Raises:
      UsageError: there are some, but all of them are damaged.
    """
    found = saved(folder)
    for path in reversed(found):
        if is_intact(path):
            return restore(path, fresh)
        print(f"checkpoint '{path}' is damaged: looking for the one before", file=sys.stderr)
    if found:
        raise UsageError(f"no intact checkpoint in '{folder}': delete '{folder.parent}' and run again")
    return fresh


def is_intact(path: pathlib.Path) -> bool:
    return _content(path) is not None


def saved(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the paths of the numbered checkpoints in `folder`, oldest first."""
    return sorted(folder.glob(f"[0-9]*{SUFFIX}"))


def _anew(path: pathlib.Path) -> str:
    return f"delete '{path.parent.parent}' and run again"


def _content(path: pathlib.Path) -> bytes | None:
    """Returns the archive, or None where it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    archive, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    return archive if hashlib.sha256(archive).digest() == digest else None


def _arrays(archive: bytes) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, zipfile.BadZipFile):  # a file of another kind, whole
        return {}


def _named(tree: Any) -> dict[str, Any]:
    """Returns the leaves by their paths, such as params/decoder/kernel."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _form(leaf: Any) -> tuple[Any, ...]:
    """Returns the shape and type that a leaf is saved in."""
    leaf = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
    return leaf.shape, leaf.dtype


def without_keys(leaf: Any) -> Any:
    """Random keys, which NumPy does not know, as the numbers that they hold."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def with_keys(like: Any, array: np.ndarray) -> Any:
    return jax.random.wrap_key_data(array) if _is_key(like) else array
