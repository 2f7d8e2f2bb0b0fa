"""What the arrays of a data set must satisfy; each rule says in one line what was found and what would do."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vae_jax.errors import UsageError


def require(holds: Any, message: str) -> None:
    if not holds:
        raise UsageError(message)


def check_source(image_shape: Any, max_value: Any, sizes: Any) -> None:
    """Raises UsageError unless these fields of a Source are what its docstring says."""
    for name, value, told in (
        ("image_shape", image_shape, "(height, width, channels)"),
        ("sizes", sizes, "(train, valid, test)"),
    ):
        whole = isinstance(value, tuple) and len(value) == 3 and all(_is_whole(one) for one in value)
        require(whole, f"{name} of a data set must be {told}, three whole numbers from 1, not {value!r}")
    fits = _is_whole(max_value) and max_value <= 255
    require(fits, f"max_value of a data set must be a whole number from 1 to 255, not {max_value!r}")


def check_names(**fields: Any) -> None:
    """Raises UsageError unless each field is a tuple of different names."""
    for field, names in fields.items():
        text = isinstance(names, tuple) and all(isinstance(name, str) for name in names)
        require(text, f"{field} of a data set must be a tuple of names, or (), not {names!r}")
        require(len(set(names)) == len(names), f"{field} of a data set must differ, unlike {names!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def as_arrays(given: Any) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Returns images, labels and factors of what `prepare` gave; UsageError where that is something else."""
    fits = isinstance(given, tuple | list) and 1 <= len(given) <= 3 and given[0] is not None
    wanted = "(images,), (images, labels) or (images, labels, factors)"
    require(fits, f"prepare must return {wanted}, not {_told(given)}")
    names = ("images", "labels", "factors")
    arrays = [_as_array(name, one) for name, one in zip(names, given, strict=False)]
    return tuple(arrays + [None] * (3 - len(arrays)))


def _told(given: Any) -> str:
    if not isinstance(given, tuple | list):
        return type(given).__name__
    return "no images" if given and given[0] is None else f"{len(given)} things"


def _as_array(name: str, given: Any) -> np.ndarray | None:
    try:
        return None if given is None else np.asarray(given)
    except Exception as error:  # of lists of several lengths, of whatever is no array
        raise UsageError(f"{name} are no array: {error}") from None


def check_images(
    images: np.ndarray, image_shape: tuple[int, int, int], max_value: int, sizes: Sequence[int]
) -> None:
    """Raises UsageError unless images are uint8 NxHxWxC, from 0 to `max_value`, N the sum of `sizes`."""
    _check_shape(images, image_shape)
    _check_type(images, max_value)
    count = sum(sizes)
    require(
        len(images) == count,
        f"there are {len(images)} images, but sizes={tuple(sizes)} add up to {count}: change the sizes",
    )
    highest = int(images.max())
    require(
        highest <= max_value,
        f"images go up to {highest}, but max_value={max_value}: set max_value={highest}, or scale the images",
    )
    require(
        highest > 1 or max_value == 1,
        f"images go up to {highest} only, but max_value={max_value}: set max_value=1, or scale the images",
    )


def _check_shape(images: np.ndarray, image_shape: tuple[int, int, int]) -> None:
    found, (height, width, channels) = images.shape, image_shape
    if found[1:] == image_shape:
        return
    way_out = "change the images or the image_shape"
    if found[1:] == (channels, height, width):
        way_out = "use np.moveaxis(images, 1, -1)"
    elif images.ndim in (2, 3) and math.prod(found[1:]) == math.prod(image_shape):
        way_out = f"use images.reshape(-1, {height}, {width}, {channels})"
    wanted = f"N x {height} x {width} x {channels}"
    raise UsageError(f"images have the shape {_product(found)}, not {wanted}: {way_out}")


def _check_type(images: np.ndarray, max_value: int) -> None:
    if images.dtype == np.uint8:
        return
    floating = np.issubdtype(images.dtype, np.floating)
    is_broken = floating and not np.isfinite(images).all()
    broken = " with NaN or infinity in them" if is_broken else ""
    way_out = "use images.astype(np.uint8)"
    if is_broken:
        way_out = "take these images out, or mend them, before they are rounded"
    elif floating:
        way_out = f"of images in [0, 1], use np.rint({max_value} * images).astype(np.uint8)"
    raise UsageError(
        f"images are {images.dtype}{broken}, not uint8 from 0 to max_value={max_value}: {way_out}"
    )


def check_labels(labels: np.ndarray | None, count: int, classes: Sequence[str]) -> None:
    """Raises UsageError unless labels are whole numbers below the number of classes, N of them."""
    if labels is None:
        require(not classes, "there are no labels, but classes are named: set classes=()")
        return
    require(classes, "there are labels, but no classes: name them in classes, or leave the labels out")
    _check_count("labels", labels, count)
    shaped = labels.ndim == 1
    way_out = "use labels.argmax(1)" if labels.shape == (count, len(classes)) else "use one number an image"
    require(shaped, f"labels have the shape {_product(labels.shape)}, not {count}: {way_out}")
    whole = np.issubdtype(labels.dtype, np.integer)
    require(whole, f"labels are {labels.dtype}, not whole numbers: use labels.astype(np.int64)")
    low, high = int(labels.min()), int(labels.max())
    require(
        low >= 0 and high < len(classes),
        f"labels go from {low} to {high}, but there are {len(classes)} classes, which are numbered "
        f"from 0 to {len(classes) - 1}: change the labels or the classes",
    )


def check_factors(factors: np.ndarray | None, count: int, names: Sequence[str]) -> None:
    """Raises UsageError unless factors are finite numbers, NxF, F the number of their names."""
    if factors is None:
        require(not names, "there are no factors, but names of factors: set factors=()")
        return
    require(names, "there are factors, but no names of theirs: set factors=(...)")
    _check_count("factors", factors, count)
    fits = factors.shape == (count, len(names))
    wanted = f"{count} x {len(names)}, a column for each of their names"
    require(fits, f"factors have the shape {_product(factors.shape)}, not {wanted}")
    real = np.issubdtype(factors.dtype, np.number) and np.isrealobj(factors)
    require(real, f"factors are {factors.dtype}, not numbers: use factors.astype(np.float32)")
    broken = np.argwhere(~np.isfinite(factors))
    where = f"that of image {broken[0][0]}, '{names[broken[0][1]]}', is not finite" if len(broken) else ""
    require(not where, f"factors must be finite numbers, and {where}: leave such images out")


def _check_count(what: str, values: np.ndarray, count: int) -> None:
    found = len(values) if values.ndim else 0
    require(found == count, f"there are {found} {what} for {count} images: give one for each image")


def _product(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "()"
