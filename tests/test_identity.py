import dataclasses

import jax
import numpy as np
import pytest

from configs import vae
from tests import own_file
from vae_jax import data, identity, launch, nets, own
from vae_jax.errors import UsageError

CONFIG = vae.get_config("smoke")


@pytest.fixture(autouse=True)
def users_cache(tmp_path, monkeypatch):
    """No other test has run a file with the same parts."""
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))


def config_of(path):
    return own.load(path).get_config()


def names_of(path, tmp_path):
    """The run's name, as a new process finds it."""
    with own_file.nothing_registered():
        return identity.run_of(config_of(path), tmp_path).id


@pytest.mark.parametrize("changes", [{"max_value": 15}, {"sizes": (1000, 300, 300)}, {"sha256": "0" * 64}])
def test_whatever_makes_a_data_set_another_makes_the_run_another(tmp_path, monkeypatch, changes):
    before = identity.run_of(CONFIG, tmp_path)
    monkeypatch.setitem(data.SOURCES, "digits", dataclasses.replace(data.SOURCES["digits"], **changes))
    assert identity.run_of(CONFIG, tmp_path) != before


def test_image_shape_is_part_of_a_data_sets_identity():
    digits = data.SOURCES["digits"]
    assert dataclasses.replace(digits, image_shape=(4, 16, 1)).fingerprint != digits.fingerprint


def test_names_of_classes_are_not():
    digits = data.SOURCES["digits"]
    assert dataclasses.replace(digits, classes=tuple("abcdefghij")).fingerprint == digits.fingerprint


@pytest.mark.parametrize(
    ("setting", "value"), [("jax_enable_x64", True), ("jax_default_matmul_precision", "bfloat16")]
)
def test_numeric_mode_is_part_of_a_runs_name(tmp_path, setting, value):
    usual, before = identity.run_of(CONFIG, tmp_path), getattr(jax.config, setting)
    try:
        jax.config.update(setting, value)
        assert identity.run_of(CONFIG, tmp_path) != usual
        assert f'"{setting}"' in identity.resolved_json(CONFIG)
    finally:
        jax.config.update(setting, before)
    assert "numerics" not in identity.resolved_json(CONFIG)


def test_run_of_another_numeric_mode_is_not_loaded(tmp_path):
    run, _ = launch.launch(CONFIG, tmp_path)
    launch.load(run)
    before = jax.config.jax_default_matmul_precision
    try:
        jax.config.update("jax_default_matmul_precision", "bfloat16")
        with pytest.raises(UsageError, match="JAX_DEFAULT_MATMUL_PRECISION=highest, here it is bfloat16"):
            launch.load(run)
    finally:
        jax.config.update("jax_default_matmul_precision", before)


def test_run_is_not_loaded_with_another_largest_value(tmp_path, monkeypatch):
    run, _ = launch.launch(CONFIG, tmp_path)
    monkeypatch.setitem(data.SOURCES, "digits", dataclasses.replace(data.SOURCES["digits"], max_value=255))
    with pytest.raises(UsageError, match="another dataset digits than there is here"):
        launch.load(run)


@pytest.mark.parametrize(
    "change",
    [
        {"changes": {"return Settings().factor * scaled": "return 0 * Settings().factor * scaled"}},
        {"changes": {"factor: float = 1.0": "factor: float = 1.5"}},
        {"changes": {".mean())": ".max())"}},  # of the metric
        {"changes": {"default_rng(0)": "default_rng(1)"}},
        {"helper": "def scaled(x):\n    return 3.0 * x\n"},
    ],
)
def test_edited_part_is_another_run(tmp_path, change):
    before = names_of(own_file.write(tmp_path), tmp_path)
    assert names_of(own_file.write(tmp_path), tmp_path) == before
    assert names_of(own_file.write(tmp_path, **change), tmp_path) != before


def test_what_does_not_touch_the_run_leaves_its_name(tmp_path):
    before = names_of(own_file.write(tmp_path), tmp_path)
    assert names_of(own_file.write(tmp_path / "elsewhere", {"range(2)": "range(9)"}), tmp_path) == before


def test_later_process_finds_what_a_run_was_made_with(tmp_path):
    path = own_file.write(tmp_path / "own")
    with own_file.nothing_registered():
        run, result = launch.launch(config_of(path), tmp_path)
        assert result["metrics"]["test/spread"] > 0
        weights = launch.load(run).variables
    with own_file.nothing_registered():
        assert "mine" not in nets.ENCODERS
        jax.tree.map(np.testing.assert_array_equal, launch.load(run).variables, weights)


def test_changed_file_is_not_imported(tmp_path):
    path = own_file.write(tmp_path / "own")
    with own_file.nothing_registered():
        run, _ = launch.launch(config_of(path), tmp_path)
    path.write_text("raise SystemExit('imported')")
    with own_file.nothing_registered(), pytest.raises(UsageError, match=f"'{path}' has changed since"):
        launch.load(run)
    path.unlink()
    with own_file.nothing_registered(), pytest.raises(UsageError, match=f"'{path}'.* is gone"):
        launch.load(run)


def test_file_that_is_put_back_is_found_and_others_with_the_same_part_do_no_harm(tmp_path):
    path = own_file.write(tmp_path / "own")
    with own_file.nothing_registered():
        run, _ = launch.launch(config_of(path), tmp_path)
    other = own_file.write(
        tmp_path / "other", {"default_rng(0)": "default_rng(1)"}
    )  # the same net, other data
    with own_file.nothing_registered():
        of_other, _ = launch.launch(config_of(other), tmp_path)
    own_file.write(tmp_path / "own", {"return Settings()": "return -Settings()"})
    with own_file.nothing_registered():
        edited, _ = launch.launch(config_of(path), tmp_path)
    own_file.write(tmp_path / "own")
    with own_file.nothing_registered():
        for found in (run, of_other, run):
            launch.load(found)
        with pytest.raises(UsageError, match=r"another encoder\.net mine"):
            launch.load(edited)


def test_work_directory_brings_no_code(tmp_path, monkeypatch):
    path = own_file.write(tmp_path / "own")
    with own_file.nothing_registered():
        run, _ = launch.launch(config_of(path), tmp_path)
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache of another user"))
    with own_file.nothing_registered(), pytest.raises(UsageError, match=r"are not here.*--import=FILE"):
        launch.load(run)


def test_edited_net_does_not_pass_for_that_of_an_earlier_run(tmp_path):
    path = own_file.write(tmp_path / "own")
    with own_file.nothing_registered():
        run, _ = launch.launch(config_of(path), tmp_path)
    own_file.write(tmp_path / "own", {"return Settings()": "return -Settings()"})
    with own_file.nothing_registered():
        own.load(path)
        with pytest.raises(UsageError, match=r"another encoder\.net mine than there is here"):
            launch.load(run)


def test_package_parts_are_remembered_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    with own_file.nothing_registered():
        own.load(own_file.REPOSITORY / "configs" / "vae.py")
        identity.remember(CONFIG)
        assert identity.imports([CONFIG]) == []
        assert not (tmp_path / "cache").exists()
        path = own_file.write(tmp_path)
        config = own.load(path).get_config()
        identity.remember(config)
        assert str(path) in identity.imports([config])
        assert len(list((tmp_path / "cache" / "own").iterdir())) == 3  # data, net, metric
