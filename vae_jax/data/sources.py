"""The table of data sets, and the loading of one: prepared once, cached, verified.

The splits are consecutive ranges of the prepared arrays, the same for everyone:

    digits         1197 train    300 valid    300 test   (a fixed permutation of the 1797)
    mnist         50000 train  10000 valid  10000 test   (valid: the last 10k of TFDS's train)
    fashion_mnist 50000 train  10000 valid  10000 test   (likewise)
    trees         10000 train   2000 valid   2000 test   (drawn, each from a seed of its own)
"""

import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from vae_jax import caching
from vae_jax.data import digits, mnist, trees
from vae_jax.data.arrays import (
    as_arrays,
    check_factors,
    check_images,
    check_labels,
    check_names,
    check_source,
)
from vae_jax.errors import UsageError, lookup
from vae_jax.paths import cache_dir, locked, make_dir, write_whole

UNSAFE = r"[^A-Za-z0-9_.-]"  # of a data set's name, in the name of a file


class Split(NamedTuple):
    """Images uint8 NxHxWxC and, where they are known, labels int64 N and factors NxF; else None."""

    images: np.ndarray
    labels: np.ndarray | None = None
    factors: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """What is known of a data set before it is read.

    Attributes:
      image_shape: (H, W, C).
      max_value: the uint8 value of a fully lit pixel; images / max_value lie in [0, 1].
      sizes: number of train, valid and test images.
      classes: the name of each label; () for images without labels.
      sha256: of the prepared arrays, see `fingerprint`.
      prepare: manual_dir or None -> (images, labels, factors) in the order of the splits. Labels and
        factors that are not known are None, or left out at the end.
      factors: the names of what an image is made from, where that is known.

    Raises:
      UsageError: a field that no data can have.
    """

    image_shape: tuple[int, int, int]
    max_value: int
    sizes: tuple[int, int, int]
    classes: tuple[str, ...]
    sha256: str
    prepare: Callable[[pathlib.Path | None], tuple[np.ndarray | None, ...]]
    factors: tuple[str, ...] = ()

    def __post_init__(self):
        check_source(self.image_shape, self.max_value, self.sizes)
        check_names(classes=self.classes, factors=self.factors)

    @property
    def fingerprint(self) -> str:
        """The digest of all that decides what a model sees: arrays, shape, largest value, splits."""
        known = {"sha256": self.sha256, "image_shape": self.image_shape}
        known |= {"max_value": self.max_value, "sizes": self.sizes}
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set in memory."""

    name: str
    source: Source
    train: Split
    valid: Split
    test: Split


_DIGITS = tuple(str(digit) for digit in range(10))

SOURCES = {
    "digits": Source(
        image_shape=(8, 8, 1),
        max_value=16,
        sizes=(1197, 300, 300),
        classes=_DIGITS,
        sha256="a9fea3b33674b6b477f0826eff4e0f6c353e2946937654e3cf971cc51e5b3178",
        prepare=digits.prepare,
    ),
    "mnist": Source(
        image_shape=(28, 28, 1),
        max_value=255,
        sizes=(50_000, 10_000, 10_000),
        classes=_DIGITS,
        sha256="abbe4fb1be4ddb7cfd60552fc9327d61e6b2fb7aec6ca00729009448c186aea5",
        prepare=lambda manual_dir: mnist.prepare("mnist", manual_dir),
    ),
    "fashion_mnist": Source(
        image_shape=(28, 28, 1),
        max_value=255,
        sizes=(50_000, 10_000, 10_000),
        classes=(
            *("T-shirt", "trouser", "pullover", "dress", "coat"),
            *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
        ),
        sha256="31368f9c6262f7b9ed02d7f1caa76bad88916157047eee2b293d649bc0255eae",
        prepare=lambda manual_dir: mnist.prepare("fashion_mnist", manual_dir),
    ),
    "trees": Source(
        image_shape=(32, 32, 3),
        max_value=255,
        sizes=(10_000, 2_000, 2_000),
        classes=trees.CLASSES,
        sha256="18fb414ac4104ac1ffa14eb37547579b1c52fc586264ec7279202f00410b608e",
        prepare=trees.prepare,
        factors=trees.FACTORS,
    ),
}


def source(name: str) -> Source:
    """Returns what is known of data set `name`; raises UsageError that lists the names."""
    return lookup("dataset", name, SOURCES)


def load(name: str, manual_dir: pathlib.Path | str | None = None) -> Dataset:
    """Reads a data set, preparing it the first time; every time where the cache cannot be written.

    Args:
      name: one of SOURCES.
      manual_dir: a folder with the original files (or with a subfolder `name` of them), for
        a machine that cannot download; looked at only when the data is not prepared yet.

    Raises:
      UsageError: unknown name; nothing to prepare it from; a file whose checksum is wrong; arrays that
        are not what the Source says.
    """
    known = source(name)
    whole = _whole(name, known, manual_dir)
    ends = np.cumsum(known.sizes)[:-1]
    parts = [[None] * 3 if array is None else np.split(array, ends) for array in whole]
    return Dataset(name, known, *(Split(*split) for split in zip(*parts, strict=True)))


def fingerprint(*arrays: np.ndarray | None) -> str:
    """Returns the sha256 of arrays: shape, type and every value; None counts for nothing."""
    digest = hashlib.sha256()
    for array in (array for array in arrays if array is not None):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _whole(name: str, known: Source, manual_dir: pathlib.Path | str | None) -> Split:
    """Returns all splits as one, from the cache if they are there."""
    stem = f"{re.sub(UNSAFE, '_', name)[:64]}-{known.sha256[:8]}"
    path = cache_dir() / "data" / f"{stem}.npz"
    if path.exists():
        return _read(name, known, path)
    # Who comes second waits, and finds it done. Refused data must leave nothing in the cache.
    with locked(pathlib.Path(tempfile.gettempdir()) / f"vae_jax-{os.getuid()}-{stem}.lock"):
        return _read(name, known, path) if path.exists() else _prepare(name, known, path, manual_dir)


def _prepare(name: str, known: Source, path: pathlib.Path, manual_dir: pathlib.Path | str | None) -> Split:
    try:
        given = known.prepare(pathlib.Path(manual_dir) if manual_dir else None)
    except UsageError:
        raise
    except Exception as error:  # whatever a data set of the user's own may raise
        told = f"{type(error).__name__}: {error}"
        raise UsageError(f"data set '{name}' could not be prepared: {told}") from error
    whole = _checked(name, known, given)
    if (found := fingerprint(*whole)) != known.sha256:
        raise UsageError(
            f"data set '{name}' is not the one expected: its sha256 is {found}; "
            "if it is the right one, write that into its Source"
        )
    content = io.BytesIO()
    np.savez(content, **{field: array for field, array in whole._asdict().items() if array is not None})
    with caching.optional():
        make_dir(path.parent)
        write_whole(path, content.getvalue())
    return _with_int64(whole)


def _read(name: str, known: Source, path: pathlib.Path) -> Split:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            whole = Split(*(arrays.get(field) for field in Split._fields))
    except Exception as error:  # zipfile, numpy and the OS each have their own
        raise UsageError(f"cannot read '{path}' ({error}): delete it and run again") from None
    if fingerprint(*whole) != known.sha256:
        raise UsageError(f"'{path}' is damaged (wrong checksum): delete it and run again")
    return _with_int64(_checked(name, known, whole))  # the Source may be another by now


def _checked(name: str, known: Source, given: Any) -> Split:
    """Returns what `prepare` gave as a Split; raises UsageError unless that is what the Source says."""
    try:
        whole = as_arrays(given)
        check_images(whole[0], known.image_shape, known.max_value, known.sizes)
        check_labels(whole[1], len(whole[0]), known.classes)
        check_factors(whole[2], len(whole[0]), known.factors)
    except UsageError as error:
        raise UsageError(f"data set '{name}': {error}") from None
    return Split(*whole)


def _with_int64(whole: Split) -> Split:
    """Labels may be kept as any whole numbers, of which some overflow or are refused in arithmetic."""
    return whole if whole.labels is None else whole._replace(labels=whole.labels.astype(np.int64, copy=False))
