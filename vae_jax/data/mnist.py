"""`mnist` and `fashion_mnist` through tensorflow-datasets, without TensorFlow.

The stock builders need TensorFlow to prepare. These subclasses keep their names, features
and checksums, but read the original files with gzip and hand TFDS PIL images, so that
afterwards plain `tfds.data_source('mnist')` reads what was written here.
"""

import functools
import gzip
import hashlib
import pathlib
import threading
import urllib.error
import urllib.request
from typing import Any

import numpy as np

from vae_jax.data import records
from vae_jax.errors import UsageError

PROBE_SECONDS = 5.0  # how long a server may take before this counts as no internet
NO_HEAD = (405, 501)  # what a server answers that has the file, but tells nothing without sending it


def prepare(name: str, manual_dir: pathlib.Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns images uint8 70000x28x28x1 and labels int64 70000: TFDS's train, then test.

    Raises:
      UsageError: no internet and no folder of original files; a file that is not the original.
    """
    with records.quiet():
        builder = records.find(functools.partial(_builder, name))
        if not builder.is_prepared():
            records.write(builder, _originals(name, builder, manual_dir))
        found = records.read(builder, ("train", "test"))
    return found["image"], found["label"].astype(np.int64)


def _builder(name: str, data_dir: pathlib.Path | None, file_format: str) -> Any:
    import tensorflow_datasets as tfds
    from PIL import Image
    from tensorflow_datasets.image_classification import mnist as stock

    parent = {"mnist": stock.MNIST, "fashion_mnist": stock.FashionMNIST}[name]

    def download(self, manager):
        kinds = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        paths = manager.download([f"{self.URL}{kind}-ubyte.gz" for kind in kinds])
        return {"train": self._generate_examples(*paths[:2]), "test": self._generate_examples(*paths[2:])}

    def examples(self, images_path, labels_path):
        images = _read_idx(images_path, offset=16).reshape(-1, 28, 28)
        labels = _read_idx(labels_path, offset=8)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": Image.fromarray(image), "label": int(label)}

    with tfds.core.registered.skip_registration():
        members = {
            "name": name,
            "url_infos": parent.url_infos,  # TFDS's own sizes and checksums
            "_split_generators": download,
            "_generate_examples": examples,
        }
        return type(parent.__name__, (parent,), members)(data_dir=data_dir, file_format=file_format)


def _read_idx(path: Any, offset: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(pathlib.Path(path).read_bytes()), np.uint8, offset=offset)


def _originals(name: str, builder: Any, manual_dir: pathlib.Path | None) -> pathlib.Path | None:
    """Returns the folder of verified original files, or None where TFDS can download."""
    if manual_dir is None:
        _check_internet(name, next(iter(builder.url_infos)))
        return None
    folder = manual_dir / name if (manual_dir / name).is_dir() else manual_dir
    for info in builder.url_infos.values():
        _check_original(name, folder / info.filename, info.checksum)
    return folder


def _check_original(name: str, path: pathlib.Path, sha256: str) -> None:
    if not path.is_file():
        raise UsageError(f"data set '{name}': the original file '{path}' is missing")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise UsageError(f"data set '{name}': '{path}' is truncated or altered (wrong checksum)")


def _check_internet(name: str, url: str) -> None:
    """Asks for the file at `url`; fails within seconds where TFDS's downloader would retry for minutes."""
    reached = threading.Event()

    def probe():
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS)
        except urllib.error.HTTPError as error:
            if error.code not in NO_HEAD:  # a proxy may answer for a server that it does not reach
                return
        except OSError:
            return
        reached.set()

    thread = threading.Thread(target=probe, daemon=True)  # a name look-up has no time limit
    thread.start()
    thread.join(PROBE_SECONDS)
    if not reached.is_set():
        raise UsageError(
            f"data set '{name}' is not prepared and cannot be downloaded from here: connect to "
            "the internet once, or pass --manual_dir=FOLDER with its four original .gz files"
        )
