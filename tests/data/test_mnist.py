import gzip
import http.server
import os
import shutil
import socket
import threading
import time
import urllib.request

import numpy as np
import pytest

from vae_jax import data
from vae_jax.data import records
from vae_jax.errors import UsageError

FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


@pytest.fixture(scope="module")
def prepared(cache, originals):
    """MNIST, prepared once for all tests here: it takes 12 s."""
    return data.load("mnist", originals)


@pytest.fixture
def copies(originals, tmp_path):
    """Links to the original files of fashion_mnist, which no test prepares."""
    folder = tmp_path / "fashion_mnist"
    folder.mkdir()
    for path in (originals / "fashion_mnist").glob("*.gz"):
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read(folder, kind, offset):
    return np.frombuffer(gzip.decompress((folder / f"{kind}-ubyte.gz").read_bytes()), np.uint8, offset=offset)


def pairs(images, labels):
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


def test_prepared_images_are_the_original_ones(prepared, originals):
    images, labels, test_images, test_labels = (
        read(originals / "mnist", kind, 16 if "images" in kind else 8) for kind in FILES
    )
    found = [np.concatenate(parts) for parts in zip(prepared.train[:2], prepared.valid[:2], strict=True)]
    assert pairs(*found) == pairs(images.reshape(60_000, -1), labels)
    assert pairs(*prepared.test[:2]) == pairs(test_images.reshape(10_000, -1), test_labels)


def test_splits_are_disjoint_and_have_their_sizes(prepared):
    splits = (prepared.train, prepared.valid, prepared.test)
    assert [split.images.shape for split in splits] == [(n, 28, 28, 1) for n in (50_000, 10_000, 10_000)]
    assert len({image.tobytes() for split in splits for image in split.images}) == 70_000


def test_second_load_is_quick_and_needs_no_originals(prepared):
    began = time.perf_counter()
    again = data.load("mnist")
    assert time.perf_counter() - began < 3
    np.testing.assert_array_equal(again.valid.images, prepared.valid.images)


def test_plain_tfds_reads_what_was_written(prepared):
    import tensorflow_datasets as tfds

    source = tfds.data_source("mnist", split="test")
    assert len(source) == 10_000
    np.testing.assert_array_equal(source[7]["image"], prepared.test.images[7])
    assert source[7]["label"] == prepared.test.labels[7]


def test_damaged_cache_is_refused_by_name(prepared, cache, monkeypatch, tmp_path):
    (path,) = (cache / "data").glob("mnist-*.npz")
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))
    copy = tmp_path / "data" / path.name
    copy.parent.mkdir()
    content = bytearray(path.read_bytes())
    content[1_000_000] ^= 0xFF
    copy.write_bytes(content)
    with pytest.raises(UsageError, match=f"'{copy}'.*delete it and run again"):
        data.load("mnist")


def test_damaged_prepared_set_is_refused_by_name(prepared, cache, monkeypatch, tmp_path):
    shutil.copytree(cache / "tfds" / "mnist", tmp_path / "mnist")
    (file,) = tmp_path.rglob("*test.array_record*")
    file.write_bytes(damage_truncate(file.read_bytes()))
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(records, "find", lambda make: make(data_dir=tmp_path, file_format=records.FORMAT))
    with pytest.raises(UsageError, match=f"'{file.parent}' is damaged: delete that folder"):
        data.load("mnist")


def refusal(manual_dir=None):
    with pytest.raises(UsageError) as caught:
        data.load("fashion_mnist", manual_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def damage_truncate(content):
    return content[: len(content) // 2]


def damage_alter(content):
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("damage", [damage_truncate, damage_alter])
def test_truncated_or_altered_original_is_refused_by_name(copies, empty_cache, kind, damage):
    path = copies / f"{kind}-ubyte.gz"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(damage(content))
    assert f"'{path}' is truncated or altered" in refusal(copies.parent)
    assert not empty_cache.exists()


@pytest.mark.parametrize("subfolder", ["fashion_mnist", ""])
def test_missing_original_is_refused_by_name(copies, empty_cache, subfolder):
    path = copies / "t10k-labels-idx1-ubyte.gz"
    path.unlink()
    manual_dir = copies if not subfolder else copies.parent
    assert f"the original file '{path}' is missing" in refusal(manual_dir)


def test_folder_that_does_not_exist_is_named(empty_cache, tmp_path):
    assert f"'{tmp_path / 'none'}" in refusal(tmp_path / "none")


def offline(monkeypatch, address):
    """Sends every connection to `address`: the way of a firewall, or of no network at all."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://{address[0]}:{address[1]}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the proxies of its first use


def test_without_internet_one_line_says_what_to_do(monkeypatch, empty_cache):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    offline(monkeypatch, address)  # closed by now: every connection is refused
    began = time.perf_counter()
    message = refusal()
    assert time.perf_counter() - began < 10
    assert message.startswith("data set 'fashion_mnist' is not prepared and cannot be downloaded from here")
    assert "--manual_dir" in message
    assert not empty_cache.exists()
    assert not os.path.exists(os.path.join(os.environ["TFDS_DATA_DIR"], "fashion_mnist"))


@pytest.mark.parametrize("answer", [403, 503])
def test_proxy_that_answers_for_what_it_does_not_reach_is_no_internet(monkeypatch, empty_cache, answer):
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(answer)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        offline(monkeypatch, server.server_address)
        message = refusal()
        server.shutdown()
    assert "--manual_dir" in message


def test_network_that_never_answers_is_given_up_within_10_seconds(monkeypatch, empty_cache):
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and says nothing
        offline(monkeypatch, server.getsockname())
        began = time.perf_counter()
        message = refusal()
        assert time.perf_counter() - began < 10
    assert "cannot be downloaded from here" in message
