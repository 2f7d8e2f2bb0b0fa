"""Data sets of the user's own: what does not fit is one line, and nothing is written."""

import numpy as np
import pytest

from experiments import sweep, train
from tests.data import own
from vae_jax import data, launch
from vae_jax.errors import UsageError

IMAGES, LABELS = own.images(), own.LABELS
WIDE = np.where(IMAGES.max() == IMAGES, 255, IMAGES).astype(np.uint8)
NAN = np.where(IMAGES == 0, np.nan, IMAGES / 16).astype(np.float32)
FACTORS = np.linspace(0, 1, 2 * own.COUNT).reshape(-1, 2)
BROKEN = np.where(FACTORS[7, 1] == FACTORS, np.inf, FACTORS)
TOGETHER = {"factors": ("size", "light")}

BAD = {
    "pixels above max_value": (
        (WIDE, LABELS),
        {},
        "images go up to 255, but max_value=16: set max_value=255, or scale the images",
    ),
    "pixels far below max_value": (
        (IMAGES // 16, LABELS),
        {},
        "images go up to 1 only, but max_value=16: set max_value=1, or scale the images",
    ),
    "floats": (
        (IMAGES / 16, LABELS),
        {},
        "images are float64, not uint8 from 0 to max_value=16: of images in [0, 1], use "
        "np.rint(16 * images).astype(np.uint8)",
    ),
    "floats with NaN": (
        (NAN, LABELS),
        {},
        "images are float32 with NaN or infinity in them, not uint8 from 0 to max_value=16: take these "
        "images out, or mend them, before they are rounded",
    ),
    "other whole numbers": (
        (IMAGES.astype(int), LABELS),
        {},
        "images are int64, not uint8 from 0 to max_value=16: use images.astype(np.uint8)",
    ),
    "no channel axis": (
        (IMAGES[..., 0], LABELS),
        {},
        "images have the shape 96 x 4 x 4, not N x 4 x 4 x 1: use images.reshape(-1, 4, 4, 1)",
    ),
    "rows": (
        (IMAGES.reshape(-1, 16), LABELS),
        {},
        "images have the shape 96 x 16, not N x 4 x 4 x 1: use images.reshape(-1, 4, 4, 1)",
    ),
    "channels first": (
        (np.moveaxis(own.images(3), -1, 1), LABELS),
        {"image_shape": (4, 4, 3)},
        "images have the shape 96 x 3 x 4 x 4, not N x 4 x 4 x 3: use np.moveaxis(images, 1, -1)",
    ),
    "another shape": (
        (own.images(3), LABELS),
        {},
        "images have the shape 96 x 4 x 4 x 3, not N x 4 x 4 x 1: change the images or the image_shape",
    ),
    "a number": ((np.uint8(1),), {}, "images have the shape (), not N x 4 x 4 x 1"),
    "too few images": (
        (IMAGES[1:], LABELS[1:]),
        {},
        "there are 95 images, but sizes=(48, 24, 24) add up to 96: change the sizes",
    ),
    "too many images": (
        (IMAGES, LABELS),
        {"sizes": (48, 24, 23)},
        "there are 96 images, but sizes=(48, 24, 23) add up to 95: change the sizes",
    ),
    "a label too few": (
        (IMAGES, LABELS[1:]),
        {},
        "there are 95 labels for 96 images: give one for each image",
    ),
    "labels in a column": (
        (IMAGES, LABELS[:, None]),
        {},
        "labels have the shape 96 x 1, not 96: use one number an image",
    ),
    "labels one of two": (
        (IMAGES, np.eye(2)[LABELS]),
        {},
        "labels have the shape 96 x 2, not 96: use labels.argmax(1)",
    ),
    "labels that are not whole": (
        (IMAGES, LABELS / 1),
        {},
        "labels are float64, not whole numbers: use labels.astype(np.int64)",
    ),
    "labels outside": (
        (IMAGES, LABELS + 1),
        {},
        "labels go from 1 to 2, but there are 2 classes, which are numbered from 0 to 1: change the labels "
        "or the classes",
    ),
    "labels below 0": ((IMAGES, LABELS - 1), {}, "labels go from -1 to 0, but there are 2 classes"),
    "labels without classes": (
        (IMAGES, LABELS),
        {"classes": ()},
        "there are labels, but no classes: name them in classes, or leave the labels out",
    ),
    "classes without labels": (
        (IMAGES,),
        {},
        "there are no labels, but classes are named: set classes=()",
    ),
    "a factor too few": ((IMAGES, LABELS, FACTORS[1:]), TOGETHER, "there are 95 factors for 96 images"),
    "a factor without a name": (
        (IMAGES, LABELS, FACTORS),
        {"factors": ("size",)},
        "factors have the shape 96 x 2, not 96 x 1, a column for each of their names",
    ),
    "factors without names": ((IMAGES, LABELS, FACTORS), {}, "there are factors, but no names of theirs"),
    "names without factors": ((IMAGES, LABELS), TOGETHER, "there are no factors, but names of factors"),
    "factors that are not finite": (
        (IMAGES, LABELS, BROKEN),
        TOGETHER,
        "factors must be finite numbers, and that of image 7, 'light', is not finite: leave such images out",
    ),
    "factors as text": ((IMAGES, LABELS, FACTORS.astype(str)), TOGETHER, "factors are <U"),
    "no images": ((None, LABELS), {}, "prepare must return (images,), (images, labels) or (images, labels, "),
    "nothing": (
        (),
        {},
        "prepare must return (images,), (images, labels) or (images, labels, ",
    ),
}


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """An empty cache and an empty work directory, neither of which is made yet."""
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache", tmp_path / "runs"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(
        "from configs import ae\n"
        "from configs.common import sweep_seed\n"
        "def get_config(arg=''):\n"
        "    config = ae.get_config('mine,smoke,linear')\n"
        "    config.update(latent_size=2, batch_size=16)\n"
        "    return config\n"
    )
    return path


@pytest.mark.parametrize(("arrays", "fields", "line"), BAD.values(), ids=BAD)
def test_arrays_that_do_not_fit_are_refused_before_anything_is_written(
    monkeypatch, folders, config, arrays, fields, line
):
    own.register(monkeypatch, *arrays, **fields)
    for command, more in ((train.main, []), (sweep.main, ["--sweep=seed"])):
        with pytest.raises(UsageError) as caught:
            command([f"--config={config}", f"--workdir={folders[1]}", *more])
        assert str(caught.value).startswith(f"data set 'mine': {line}")
        assert "\n" not in str(caught.value)
        assert not any(folder.exists() for folder in folders)


def test_arrays_that_fit_are_kept_and_read_again(monkeypatch, folders):
    own.register(monkeypatch, IMAGES, LABELS.astype(np.uint8), FACTORS, **TOGETHER)
    first, again = data.load("mine"), data.load("mine")
    assert [path.name[:5] for path in (folders[0] / "data").iterdir()] == ["mine-"]
    for split, same, size in zip(splits(first), splits(again), own.SIZES, strict=True):
        assert [len(array) for array in split] == [size] * 3
        assert split.labels.dtype == np.int64  # others overflow
        for array, other in zip(split, same, strict=True):
            np.testing.assert_array_equal(array, other)
    np.testing.assert_array_equal(np.concatenate([s.images for s in splits(again)]), IMAGES)


def splits(dataset):
    return dataset.train, dataset.valid, dataset.test


def test_kept_data_is_checked_by_what_is_registered_now(monkeypatch, folders):
    own.register(monkeypatch, IMAGES, LABELS)
    data.load("mine")
    own.register(monkeypatch, IMAGES, LABELS, max_value=8)
    with pytest.raises(UsageError, match="images go up to 16, but max_value=8"):
        data.load("mine")


def test_data_registered_anew_is_loaded_anew_in_the_same_process(monkeypatch, folders):
    own.register(monkeypatch, IMAGES, LABELS)
    assert launch.load_dataset("mine", None).train.labels is not None
    other = own.register(monkeypatch, own.images(seed=1), classes=())
    assert launch.load_dataset("mine", None).source == other
    assert launch.load_dataset("mine", None).train.labels is None


def test_prepare_that_raises_is_one_line(monkeypatch, folders):
    def prepare(manual_dir):
        return open("/none")

    source = data.Source((4, 4, 1), 16, own.SIZES, (), "0" * 64, prepare)
    monkeypatch.setitem(data.SOURCES, "mine", source)
    with pytest.raises(UsageError, match=r"could not be prepared: FileNotFoundError: .*'/none'"):
        data.load("mine")


def test_prepare_that_returns_one_array_is_refused(monkeypatch, folders):
    source = data.Source((4, 4, 1), 16, own.SIZES, (), "0" * 64, lambda manual_dir: IMAGES)
    monkeypatch.setitem(data.SOURCES, "mine", source)
    with pytest.raises(UsageError, match=r"prepare must return .*, not ndarray"):
        data.load("mine")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("image_shape", (8, 8)), ("image_shape", (8, 8, 0)), ("image_shape", 64)),
        *(("max_value", 0), ("max_value", 256), ("max_value", 1.0)),
        *(("sizes", (100, 20)), ("sizes", (100, 0, 20)), ("classes", "ab"), ("classes", ("a", "a"))),
        ("factors", (1, 2)),
    ],
)
def test_source_that_no_data_can_have_is_refused_where_it_is_registered(field, value):
    fields = {"image_shape": (4, 4, 1), "max_value": 16, "sizes": own.SIZES, "classes": ("a", "b")}
    with pytest.raises(UsageError, match=f"^{field} of a data set must"):
        data.Source(**fields | {"sha256": "", "prepare": None, field: value})


@pytest.mark.parametrize("name", ["of/me", "..", "ü" * 300, "a\nb"])
def test_name_of_a_data_set_can_be_any_text(monkeypatch, folders, name):
    own.register(monkeypatch, IMAGES, LABELS, name=name)
    assert len(data.load(name).test.images) == 24
    (path,) = folders[0].rglob("*.npz")
    assert path.parent == folders[0] / "data"
