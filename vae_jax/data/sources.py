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
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vae_jax.data import digits, mnist, trees
from vae_jax.errors import UsageError, lookup
from vae_jax.paths import cache_dir, locked, make_dir, write_whole


class Split(NamedTuple):
    """Images uint8 NxHxWxC, labels int N and, where they are known, factors float32 NxF."""

    images: np.ndarray
    labels: np.ndarray
    factors: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """What is known of a data set before it is read.

    Attributes:
      image_shape: (H, W, C).
      max_value: the uint8 value of a fully lit pixel; images / max_value lie in [0, 1].
      sizes: number of train, valid and test images.
      classes: the name of each label.
      sha256: of the prepared arrays.
      prepare: manual_dir or None -> images, labels and, where they are known, factors, in the order
        of the splits.
      factors: the names of what an image is made from, where that is known.
    """

    image_shape: tuple[int, int, int]
    max_value: int
    sizes: tuple[int, int, int]
    classes: tuple[str, ...]
    sha256: str
    prepare: Callable[[pathlib.Path | None], tuple[np.ndarray, ...]]
    factors: tuple[str, ...] = ()

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
    """Reads a data set, preparing it the first time.

    Args:
      name: one of SOURCES.
      manual_dir: a folder with the original files (or with a subfolder `name` of them), for
        a machine that cannot download; looked at only when the data is not prepared yet.

    Raises:
      UsageError: unknown name; nothing to prepare it from; a file whose checksum is wrong.
    """
    known = source(name)
    path = cache_dir() / "data" / f"{name}-{known.sha256[:8]}.npz"
    if not path.exists():
        # Who comes second waits, and finds it done. Refused data must leave nothing in the cache.
        with locked(pathlib.Path(tempfile.gettempdir()) / f"vae_jax-{os.getuid()}-{name}.lock"):
            if not path.exists():
                _prepare(name, path, manual_dir)
    arrays = _read(path)
    if fingerprint(*arrays) != known.sha256:
        raise UsageError(f"'{path}' is damaged (wrong checksum): delete it and run again")
    ends = np.cumsum(known.sizes)
    splits = zip(*(np.split(array, ends[:-1]) for array in arrays), strict=True)
    return Dataset(name, known, *(Split(*parts) for parts in splits))


def fingerprint(*arrays: np.ndarray) -> str:
    """Returns the sha256 of arrays: shape, type and every value."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _prepare(name: str, path: pathlib.Path, manual_dir: pathlib.Path | str | None) -> None:
    known = SOURCES[name]
    arrays = known.prepare(pathlib.Path(manual_dir) if manual_dir else None)
    if (found := fingerprint(*arrays)) != known.sha256:
        raise UsageError(f"data set '{name}' is not the one expected: its sha256 is {found}")
    content = io.BytesIO()
    np.savez(content, **dict(zip(Split._fields, arrays, strict=False)))
    make_dir(path.parent)
    write_whole(path, content.getvalue())


def _read(path: pathlib.Path) -> list[np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[name] for name in Split._fields if name in arrays]
    except Exception as error:  # zipfile, numpy and the OS each have their own
        raise UsageError(f"cannot read '{path}' ({error}): delete it and run again") from None
