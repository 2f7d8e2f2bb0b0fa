import hashlib
import io

import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.sources import fingerprint
from vae_jax.errors import UsageError

SIZES = {
    "digits": (1197, 300, 300),
    "mnist": (50_000, 10_000, 10_000),
    "fashion_mnist": (50_000, 10_000, 10_000),
    "trees": (10_000, 2_000, 2_000),
}
SHAPES = {"digits": (8, 8, 1), "mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "trees": (32, 32, 3)}


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def digits_file(monkeypatch, tmp_path):
    """The cached digits, in a cache of their own that may be damaged."""
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))
    data.load("digits")
    (path,) = (tmp_path / "data").iterdir()
    return path


@pytest.mark.parametrize("name", SIZES)
def test_splits_have_their_documented_sizes(name):
    known = data.source(name)
    assert known.sizes == SIZES[name]
    assert known.image_shape == SHAPES[name]
    assert len(known.classes) == len(set(known.classes)) == (4 if name == "trees" else 10)


def test_no_two_sources_share_a_fingerprint():
    assert len({known.sha256 for known in data.SOURCES.values()}) == len(data.SOURCES)


def test_digits_are_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    expected = sorted(zip(map(bytes, images.astype(np.uint8)), labels, strict=True))
    splits = (digits.train, digits.valid, digits.test)
    found = [(image.tobytes(), label) for split in splits for image, label in zip(*split[:2], strict=True)]
    assert sorted(found) == expected


def test_digits_have_the_announced_shapes_and_types(digits):
    splits = (digits.train, digits.valid, digits.test)
    assert [split.images.shape for split in splits] == [(size, 8, 8, 1) for size in digits.source.sizes]
    assert [split.labels.shape for split in splits] == [(size,) for size in digits.source.sizes]
    assert {split.images.dtype for split in splits} == {np.dtype("uint8")}
    assert max(split.images.max() for split in splits) == digits.source.max_value


def test_no_image_of_digits_is_in_two_splits(digits):
    splits = [
        {image.tobytes() for image in split.images} for split in (digits.train, digits.valid, digits.test)
    ]
    assert [len(split) for split in splits] == [1197, 300, 300]
    assert len(set.union(*splits)) == 1797


def test_every_class_is_in_every_split_of_digits(digits):
    for split in (digits.train, digits.valid, digits.test):
        assert np.bincount(split.labels, minlength=10).min() >= 0.05 * len(split.labels)


def test_splits_of_digits_never_change(digits):
    found = [hashlib.sha256(split.images.tobytes()).hexdigest()[:8] for split in (digits.valid, digits.test)]
    assert found == ["94a3b54c", "ccd5b41c"]


def test_fingerprint_sees_values_shapes_and_types(digits):
    images, labels, _ = digits.valid
    altered = images.copy()
    altered[-1, -1, -1] ^= 1
    seen = {
        fingerprint(images, labels),
        fingerprint(altered, labels),
        fingerprint(images, np.roll(labels, 1)),
        fingerprint(images.reshape(-1, 4, 16, 1), labels),
        fingerprint(images.astype(np.int8), labels),
        fingerprint(labels, images),
    }
    assert len(seen) == 6
    assert fingerprint(images[::2], labels) == fingerprint(images[::2].copy(), labels)


def test_factors_are_there_only_where_they_are_known(digits):
    assert digits.train.factors is digits.valid.factors is digits.test.factors is None
    assert [name for name, known in data.SOURCES.items() if known.factors] == ["trees"]


def test_second_load_reads_the_cache(digits, digits_file):
    before = digits_file.stat().st_mtime_ns
    again = data.load("digits")
    assert digits_file.stat().st_mtime_ns == before
    np.testing.assert_array_equal(again.test.images, digits.test.images)


@pytest.mark.parametrize("at", [0, 200, 50_000])
def test_cache_with_a_changed_byte_is_refused_by_name(digits_file, at):
    content = bytearray(digits_file.read_bytes())
    content[at] ^= 0xFF
    digits_file.write_bytes(content)
    refused_by_name(digits_file)


@pytest.mark.parametrize("length", [0, 100, 60_000])
def test_truncated_cache_is_refused_by_name(digits_file, length):
    digits_file.write_bytes(digits_file.read_bytes()[:length])
    refused_by_name(digits_file)


def test_cache_with_other_images_is_refused_by_name(digits_file):
    arrays = dict(np.load(digits_file))
    arrays["images"][5, 3, 3] ^= 1
    content = io.BytesIO()
    np.savez(content, **arrays)
    digits_file.write_bytes(content.getvalue())
    refused_by_name(digits_file)


def refused_by_name(path):
    with pytest.raises(UsageError) as caught:
        data.load("digits")
    assert str(path) in str(caught.value)
    assert "delete it and run again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_deleted_cache_is_made_again(digits, digits_file):
    digits_file.unlink()
    np.testing.assert_array_equal(data.load("digits").train.images, digits.train.images)
    assert digits_file.exists()


def test_unknown_data_set_is_refused_and_those_that_exist_are_listed():
    with pytest.raises(UsageError, match="unknown dataset 'minst': choose from digits, fashion_mnist, mnist"):
        data.load("minst")
