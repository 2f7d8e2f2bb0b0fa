"""A home, or a cache, in which nothing can be written; no folder stays in the temporary one."""

import os

import pytest

from tests.experiments.commands import LINEAR, command, only_run, python
from vae_jax import caching, data
from vae_jax.errors import UsageError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A file where the home directory should be: nothing can be made in it, not even by root."""
    path = tmp_path / "home"
    path.touch()
    monkeypatch.setenv("HOME", str(path))
    for name in ("VAE_JAX_CACHE", "TFDS_DATA_DIR", caching.TOLD):
        monkeypatch.setenv(name, "")  # so that what is set meanwhile is taken back
        monkeypatch.delenv(name)
    return path


def test_digits_need_no_cache_and_one_line_says_how_to_have_one(home, capsys):
    for _ in range(2):
        assert len(data.load("digits").train.images) == 1197
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: cannot create directory '{home / '.cache' / 'vae_jax' / 'data'}'")
    assert "set VAE_JAX_CACHE to a folder that can be written" in line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "sweep"])
def test_commands_go_on_without_a_cache_and_say_so_once(home, tmp_path, name):
    more = ["--sweep=seed", "--executor=processes:2"] if name == "sweep" else []
    done = command(name, f"--config={LINEAR}", f"--workdir={tmp_path / 'runs'}", *more)
    assert done.returncode == 0
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert "set VAE_JAX_CACHE" in told


def test_tfds_folder_that_cannot_be_written_is_told_with_its_variable(home, monkeypatch, tmp_path):
    constants = pytest.importorskip("tensorflow_datasets").core.constants
    monkeypatch.setattr(constants, "DATA_DIR", str(home / "tensorflow_datasets"))
    with pytest.raises(UsageError) as caught:
        data.load("trees")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("data set 'trees' could not be prepared: ")
    assert str(caught.value).endswith(": set TFDS_DATA_DIR to a folder that can be written")


@pytest.mark.slow
def test_command_on_data_of_tfds_ends_with_2_and_leaves_nothing(home, tmp_path):
    runs, temporary = tmp_path / "runs", tmp_path / "tmp"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "VAE_JAX_CACHE": str(tmp_path / "cache")}
    config = "configs/vae.py:trees,smoke"
    done = python("-m", "experiments.train", f"--config={config}", f"--workdir={runs}", env=environment)
    assert done.returncode == 2
    assert "set TFDS_DATA_DIR to a folder that can be written" in done.stderr.splitlines()[-1]
    assert not runs.exists()
    assert [path for path in temporary.iterdir() if path.suffix != ".lock"] == []


def test_builder_of_what_is_not_prepared_leaves_no_folder(tmp_path):
    code = (
        "import functools\n"
        "from vae_jax.data import records\n"
        "from vae_jax.data.trees.builder import Trees\n"
        "from vae_jax.data.mnist import _builder\n"
        "for make in (Trees, functools.partial(_builder, 'mnist')):\n"
        "    with records.quiet():\n"
        "        assert not records.find(make).is_prepared()\n"
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "TFDS_DATA_DIR": str(tmp_path / "tfds")}
    done = python("-c", code, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(temporary.iterdir()) == []


def test_cache_on_a_full_disk_is_told_too(monkeypatch, capsys):
    monkeypatch.setenv(caching.TOLD, "")
    monkeypatch.delenv(caching.TOLD)
    with caching.optional():
        raise OSError(28, "No space left on device", "/cache/data")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: cannot write '/cache/data': No space left on device; ")


def test_run_without_a_cache_is_found_done(home, tmp_path, monkeypatch):
    from experiments import train

    argv = [f"--config={LINEAR}", f"--workdir={tmp_path / 'runs'}"]
    assert train.main(argv) == train.main(argv) == 0
    assert only_run(tmp_path / "runs").result()["status"] == "completed"
