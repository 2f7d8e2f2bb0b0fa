import ast
import hashlib
import io
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from configs import ae, vae
from vae_jax import data, launch
from vae_jax.config import override
from vae_jax.data import trees
from vae_jax.data.trees import CLASSES, FACTORS, RANGES, render, sample
from vae_jax.data.trees.paint import Layer
from vae_jax.data.trees.species import DRAW, Tree

FEW = sample(100, seed=7)
IMAGES = render(FEW)


@pytest.fixture(scope="module")
def prepared(cache):
    """All 14,000, prepared once for all tests here."""
    return data.load("trees")


def column(name):
    return FACTORS.index(name)


def changed(factors, name, value):
    """Returns factors that differ in one alone."""
    other = factors.copy()
    other[:, column(name)] = value
    return other


def difference(images, others):
    """Returns the mean change of a pixel value, of 255, of each image."""
    return np.abs(images.astype(int) - others).reshape(len(images), -1).mean(1)


# The factors.


def test_the_same_seed_gives_the_same_factors():
    np.testing.assert_array_equal(sample(10, seed=3), sample(10, seed=3))
    assert (sample(10, seed=3)[:, 1:] != sample(10, seed=4)[:, 1:]).all()


def test_factors_fill_their_ranges_evenly():
    factors = sample(20_000, seed=0).astype(np.float64)
    assert set(np.unique(factors[:, 0])) == set(range(len(CLASSES)))
    assert np.abs(np.bincount(factors[:, 0].astype(int)) / 5000 - 1).max() < 0.06  # 4 standard errors
    for name, (low, high, _) in RANGES.items():
        shares = (factors[:, column(name)] - low) / (high - low)
        assert -1e-6 <= shares.min() < 0.01
        assert 0.99 < shares.max() <= 1 + 1e-6
        assert np.abs(np.histogram(shares, 10, (0, 1))[0] / 2000 - 1).max() < 0.1


def test_factors_are_independent_of_each_other():
    correlations = np.corrcoef(sample(20_000, seed=0).T)[~np.eye(len(FACTORS), dtype=bool)]
    assert np.abs(correlations).max() < 4 / np.sqrt(20_000)  # 4 standard errors, 66 pairs


# The drawing.


def test_images_never_change():
    assert IMAGES.shape == (100, 32, 32, 3)
    assert IMAGES.dtype == np.uint8
    assert hashlib.sha256(IMAGES.tobytes()).hexdigest()[:12] == "26be9380688e"


def test_an_image_depends_on_its_own_factors_alone():
    order = np.random.RandomState(0).permutation(len(FEW))
    np.testing.assert_array_equal(render(FEW[order]), IMAGES[order])
    np.testing.assert_array_equal(np.concatenate([render(FEW[i : i + 1]) for i in range(20)]), IMAGES[:20])


@pytest.mark.parametrize("name", RANGES)
def test_every_factor_is_seen_in_every_image(name):
    low, high = (render(changed(FEW, name, value)) for value in RANGES[name][:2])
    assert difference(low, high).min() > 0.1


@pytest.mark.parametrize("kind", range(len(CLASSES)))
def test_species_is_seen_in_every_image(kind):
    drawn = render(changed(FEW, "species", kind))
    same = FEW[:, 0] == kind
    np.testing.assert_array_equal(drawn[same], IMAGES[same])
    assert difference(drawn, IMAGES)[~same].min() > 1


def silhouettes(factors, kind):
    """Returns what trees cover of their images, NxHxW."""
    f = {name: factors[:, [index]] for index, name in enumerate(FACTORS)}
    wood, leaves = (
        Layer(np.zeros(len(factors), np.float32), np.zeros(len(factors), np.float32)) for _ in "wl"
    )
    DRAW[kind](f, Tree(f, wood, leaves))
    return np.maximum(wood.cover, leaves.cover)


@pytest.mark.parametrize("kind", range(len(CLASSES)))
def test_edges_are_anti_aliased(kind):
    """A tree that moves by a tenth of a pixel covers and uncovers pixels bit by bit, not at once."""
    steps = np.repeat(changed(FEW, "season", 1.0)[:1], 31, axis=0)
    steps[:, column("position")] = np.linspace(0, 3 / 32, 31)
    covered = silhouettes(steps, kind)
    assert np.abs(np.diff(covered, axis=0)).max() < 0.35
    assert (np.ptp(covered, axis=0) > 0.9).sum() > 10  # pixels that are covered wholly, or not at all


@pytest.mark.parametrize("kind", range(len(CLASSES)))
def test_tree_is_as_high_as_its_factor_says(kind):
    full = changed(changed(FEW, "season", 1.0), "density", 1.0)
    covered = silhouettes(full, kind).max(2)
    top = (covered > 0.5).argmax(1)
    height = (1 - FEW[:, column("horizon")]) * 32 + 2.5 - top
    assert np.abs(height / (32 * FEW[:, column("height")]) - 1).max() < 0.2
    assert ((1 - FEW[:, column("horizon")]) * 32 + 2.5 <= 32).all()  # the foot is in the image


@pytest.mark.parametrize("kind", range(len(CLASSES)))
def test_position_moves_the_tree_and_nothing_else(kind):
    one, other = (silhouettes(changed(FEW, "position", pixels / 32), kind) for pixels in (-2, 1))
    np.testing.assert_allclose(one[:, :, :-3], other[:, :, 3:], atol=1e-4)


EXACT = {
    *("abs", "floor", "maximum", "minimum", "sqrt", "where"),  # rounded exactly, value by value
    *("arange", "argsort", "array", "broadcast_arrays", "broadcast_to", "empty"),
    *("lexsort", "moveaxis", "split", "take_along_axis", "zeros", "zeros_like"),  # these compute nothing
    *("float32", "ndarray", "uint8"),
}


@pytest.mark.parametrize("module", ["paint", "species", "scene"])
def test_drawing_uses_only_what_every_processor_rounds_alike(module):
    path = pathlib.Path(trees.__file__).with_name(f"{module}.py")
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= {"numpy", "itertools"}
    numpy = {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "np"}
    assert numpy <= EXACT
    operators = {type(node.op) for node in nodes if isinstance(node, ast.BinOp | ast.AugAssign)}
    assert operators <= {ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitOr}  # | of types
    called = {node.func.attr for node in nodes if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    assert not called & {"sum", "mean", "dot", "prod", "cumsum", "std", "var", "round", "trace"}


# The prepared set.


def test_images_are_drawn_from_their_factors(prepared):
    for split in (prepared.train, prepared.valid, prepared.test):
        np.testing.assert_array_equal(render(split.factors[::20]), split.images[::20])
        np.testing.assert_array_equal(split.factors[:, column("species")], split.labels)
        assert split.factors.dtype == np.float32


def test_splits_have_their_sizes_and_share_no_tree(prepared):
    splits = (prepared.train, prepared.valid, prepared.test)
    assert [split.images.shape for split in splits] == [(n, 32, 32, 3) for n in (10_000, 2000, 2000)]
    assert [split.factors.shape for split in splits] == [(n, len(FACTORS)) for n in (10_000, 2000, 2000)]
    assert len({image.tobytes() for split in splits for image in split.images}) == 14_000


def test_plain_tfds_reads_what_was_written(prepared):
    import tensorflow_datasets as tfds

    source = tfds.data_source("trees", split="test")
    assert len(source) == 2000
    assert source[7]["label"] == prepared.test.labels[7]
    np.testing.assert_array_equal(source[7]["image"], prepared.test.images[7])
    np.testing.assert_array_equal(source[7]["factors"], prepared.test.factors[7])


def test_builder_is_registered_by_its_name():
    import tensorflow_datasets as tfds

    from vae_jax.data.trees.builder import Trees

    assert tfds.builder_cls("trees") is Trees
    assert Trees.__doc__


def test_species_are_told_apart_by_more_than_their_colour(prepared):
    from sklearn.neighbors import KNeighborsClassifier

    train, test = prepared.train, prepared.test

    def accuracy(features):
        classifier = KNeighborsClassifier(5).fit(features(train.images[:2000]), train.labels[:2000])
        return classifier.score(features(test.images[:500]), test.labels[:500])

    assert 0.75 < accuracy(lambda images: images.reshape(len(images), -1)) < 0.99
    assert accuracy(lambda images: images.mean((1, 2))) < 0.5  # of one colour: little more than chance


@pytest.mark.parametrize("width", [16, 64])
def test_no_width_gets_stuck_at_the_mean_image(prepared, tmp_path, width):
    changes = {"bottleneck_width": width, "num_epochs": 2}
    _, result = launch.launch(override(ae.get_config("trees"), changes), tmp_path)
    assert result["metrics"]["test/mse"] < 0.85 * prepared.test.images.var(0).mean() / 255**2


@pytest.mark.slow
def test_colour_images_are_trained_on_and_drawn(prepared, tmp_path):
    changes = {"bottleneck_width": 16, "num_epochs": 1}
    run, result = launch.launch(override(vae.get_config("trees,grey,smoke"), changes), tmp_path)
    assert result["status"] == "completed"
    assert result["metrics"]["test/mse"] < 0.019  # that of the mean image
    (image,) = EventAccumulator(str(run.path)).Reload().Images("valid/reconstructions")
    with Image.open(io.BytesIO(image.encoded_image_string)) as drawn:
        assert (drawn.size, drawn.mode) == ((8 * 32, 2 * 32), "RGB")


@pytest.mark.slow
def test_two_processes_prepare_it_once(tmp_path):
    places = {"VAE_JAX_CACHE": str(tmp_path / "cache"), "TFDS_DATA_DIR": str(tmp_path / "tfds")}
    command = [sys.executable, "-c", "from vae_jax import data; data.load('trees')"]
    both = [subprocess.Popen(command, env=os.environ | places, stderr=subprocess.PIPE) for _ in range(2)]
    told = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(text.count("preparing") for text in told) == [0, 1]
