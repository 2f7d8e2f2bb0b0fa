import os

import pytest

from vae_jax.errors import UsageError
from vae_jax.paths import cache_dir, make_dir, write_whole


def test_cache_dir_is_the_users_choice(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path


@pytest.mark.parametrize("unset", [True, False])
def test_cache_dir_without_a_choice_is_under_home(monkeypatch, tmp_path, unset):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAE_JAX_CACHE", "")
    if unset:
        monkeypatch.delenv("VAE_JAX_CACHE")
    assert cache_dir() == tmp_path / ".cache" / "vae_jax"


@pytest.mark.parametrize("content", ["tëxt", b"\x00\xff"])
def test_write_whole_writes_text_and_bytes(tmp_path, content):
    write_whole(tmp_path / "file", content)
    expected = content.encode() if isinstance(content, str) else content
    assert (tmp_path / "file").read_bytes() == expected
    assert os.listdir(tmp_path) == ["file"]


def test_write_whole_that_fails_keeps_the_old_content_and_leaves_nothing_else(monkeypatch, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)  # the disk is full once the bytes are really written
    with pytest.raises(OSError, match="no space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_make_dir_makes_parents_and_accepts_what_exists(tmp_path):
    path = tmp_path / "a" / "b"
    assert make_dir(path) == make_dir(path) == path
    assert path.is_dir()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_make_dir_names_the_path_that_a_file_blocks(tmp_path, below):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / below
    with pytest.raises(UsageError, match=f"cannot create directory '{path}'"):
        make_dir(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_make_dir_refuses_a_directory_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match=f"cannot write in directory '{tmp_path}'"):
        make_dir(tmp_path)
