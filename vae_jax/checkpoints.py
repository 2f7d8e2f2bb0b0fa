"""Checkpoints: a pytree in one NumPy archive, whole or not there, and damage to it noticed.

checkpoints/000120.npz  an array for each leaf, named by its path; the SHA-256 of all before it is
                        at the end, where `np.load` does not look
"""

import contextlib
import hashlib
import io
import math
import pathlib
import re
import sys
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import files
from vae_jax.errors import DamagedError
from vae_jax.paths import becomes, make_inside, move_aside, write_whole

SUFFIX = ".npz"
NUMBERED = re.compile(r"[0-9]{6,}\.npz")
KEPT_FOR_GOOD = ("best.npz", "last_good.npz", "stopped.npz")
ROOM = 4096  # bytes that an array takes in an archive beside its values, at most
DIGEST_BYTES = hashlib.sha256().digest_size
Form = tuple[tuple[int, ...], np.dtype]


def save(path: pathlib.Path, tree: Any) -> None:
    """Writes `tree` at `path`, whole or not at all; UsageError where the folder cannot be made."""
    arrays = {name: np.asarray(without_keys(leaf)) for name, leaf in _named(tree).items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with buffer.getbuffer() as archive:
        digest = hashlib.sha256(archive).digest()
    buffer.write(digest)
    files.check_folder(path.parent, path.parent.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Let go of even where the disk is full: Python 3.12.1 crashes on a view that garbage holds.
    with buffer.getbuffer() as content:
        write_whole(path, content)


def restore(path: pathlib.Path, like: Any) -> Any:
    """Returns the tree at `path`; `like` gives its structure, shapes and types.

    Raises:
      DamagedError: the checkpoint is missing or damaged, or its arrays are others.
    """
    wanted = _named(like)
    forms = {name: _form(leaf) for name, leaf in wanted.items()}
    arrays = _arrays(_content(path, forms), forms)
    if arrays is None:
        raise _damaged(path, "does not fit this version")
    ordered = [with_keys(leaf, arrays[name]) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), ordered)


def save_numbered(folder: pathlib.Path, number: int, tree: Any) -> None:
    """Writes a numbered checkpoint and keeps two: if the newest is damaged, there is the other."""
    save(folder / f"{number:06d}{SUFFIX}", tree)
    keep(folder, 2)


def keep(folder: pathlib.Path, count: int) -> None:
    """Deletes all but the newest `count` numbered checkpoints, and what a kill left half-written.

    Files of other names, such as those that are kept for good, stay.
    """
    files.check_folder(folder, folder.parent)
    old = saved(folder)[: -count or None]
    for path in [*old, *(path for path in folder.glob(".*.tmp") if is_ours(becomes(path.name)))]:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
            path.unlink()  # two processes can find a run finished at the same time


def is_ours(name: str) -> bool:
    """Whether a file in a folder of checkpoints can be one, by its name."""
    return name in KEPT_FOR_GOOD or NUMBERED.fullmatch(name) is not None


def restore_newest(folder: pathlib.Path, fresh: Any, aside: pathlib.Path) -> Any:
    """Returns the newest intact numbered checkpoint, or `fresh` where there is none.

    Where there are some and none is intact, they are moved into a folder in `aside`, and that is said.
    Deletes nothing; what a kill left half-written goes with the next `save_numbered`.
    """
    damaged = []
    for path in reversed(_found(folder)):
        try:
            found = restore(path, fresh)
        except DamagedError:
            damaged.append(path)
            continue
        for newer in damaged:
            print(f"checkpoint '{newer}' is damaged: looking for the one before", file=sys.stderr)
        return found
    if damaged:
        where = _move(folder, damaged, aside)
        print(f"no intact checkpoint in '{folder}': set aside as '{where}', begun anew", file=sys.stderr)
    return fresh


def _found(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the numbered checkpoints, or what stands in the place of their folder."""
    try:
        files.check_folder(folder)
    except DamagedError as error:
        return [error.path]
    return saved(folder)


def _move(folder: pathlib.Path, damaged: list[pathlib.Path], aside: pathlib.Path) -> pathlib.Path:
    """Moves checkpoints, or the link that stands for their folder, into `aside`; returns where to."""
    name = f"{folder.parent.name}-checkpoints"
    make_inside(aside.parent, aside.name)
    if damaged == [folder]:
        return move_aside(folder, aside, name)
    made = make_inside(aside, f".{name}")
    for path in damaged:
        path.rename(made / path.name)
    return move_aside(made, aside, name)


def is_intact(path: pathlib.Path) -> bool:
    """Whether a checkpoint is there and as it was written; its arrays may be others than are wanted."""
    try:
        with _opened(path, files.MOST_ARCHIVE_BYTES) as (file, size):
            return _is_whole(file, size)
    except (OSError, DamagedError):
        return False


def saved(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the paths of the numbered checkpoints in `folder`, oldest first."""
    found = [path for path in folder.glob(f"[0-9]*{SUFFIX}") if NUMBERED.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem))


def _damaged(path: pathlib.Path, why: str = "") -> DamagedError:
    return DamagedError(path, path.parent.parent, why)


def _opened(path: pathlib.Path, most: int) -> contextlib.AbstractContextManager[tuple[BinaryIO, int]]:
    """Opens a checkpoint, in whose path neither its folder nor the one above is a link."""
    return files.opened(path, path.parent.parent.parent, path.parent.parent, most)


def _is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the digest at the end of a checkpoint is that of all before it; reads it in pieces."""
    left, digest = size - DIGEST_BYTES, hashlib.sha256()
    while left > 0 and (piece := file.read(min(left, 1 << 20))):
        digest.update(piece)
        left -= len(piece)
    return left == 0 and file.read() == digest.digest()


def _content(path: pathlib.Path, forms: Mapping[str, Form]) -> bytes:
    """Returns the archive; one larger than such arrays make it is damaged, and not even read."""
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in forms.values()]
    try:
        with _opened(path, sum(sizes) + ROOM * (len(sizes) + 1)) as (file, size):
            content = file.read(size)
    except FileNotFoundError:
        raise _damaged(path, "missing") from None
    archive, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(archive).digest() != digest:
        raise _damaged(path)
    return archive


def _arrays(archive: bytes, forms: Mapping[str, Form]) -> dict[str, np.ndarray] | None:
    """Returns the arrays of an archive; None where they have other names, shapes or types.

    Nothing is decompressed, for we do not compress, and no more is read than the shapes tell.
    """
    # zipfile and NumPy each have their own errors
    with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = {member.filename.removesuffix(".npy"): member for member in opened.infolist()}
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members.values())
        if stored and members.keys() == forms.keys():
            return {name: _array(opened.read(members[name]), *forms[name]) for name in forms}
    return None


def _array(content: bytes, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Returns the array in a file of NumPy's format; ValueError where it has another shape or type."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version of the format")
    found, fortran, found_dtype = np.lib.format.read_array_header_1_0(file)
    flat = np.frombuffer(content, dtype, offset=file.tell())
    if (found, found_dtype, flat.size) != (shape, dtype, math.prod(shape)):
        raise ValueError("another array")
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _named(tree: Any) -> dict[str, Any]:
    """Returns the leaves by their paths, such as params/decoder/kernel."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _form(leaf: Any) -> Form:
    """Returns the shape and type that a leaf is saved in."""
    leaf = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
    return tuple(leaf.shape), np.dtype(leaf.dtype)


def without_keys(leaf: Any) -> Any:
    """Random keys, which NumPy does not know, as the numbers that they hold."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def with_keys(like: Any, array: np.ndarray) -> Any:
    return jax.random.wrap_key_data(array) if _is_key(like) else array
