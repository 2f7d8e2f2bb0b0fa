"""What the sets that tensorflow-datasets keeps have in common: TFDS without TensorFlow.

A builder yields PIL images (a NumPy image calls TensorFlow) and writes array_record files, which
plain `tfds.data_source(name)` then reads.
"""

import contextlib
import io
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from vae_jax.errors import UsageError
from vae_jax.paths import cache_dir

FORMAT = "array_record"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS's announcements of unknown sizes and its advice out of the terminal."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(before)


def find(make: Callable[..., Any]) -> Any:
    """Returns the builder `make` in TFDS's own folder, unless that one holds TensorFlow's format."""
    with _no_bucket():
        try:
            return make(data_dir=None, file_format=FORMAT)
        except ValueError:  # prepared there as TFRecord, which cannot be read without TensorFlow
            return make(data_dir=cache_dir() / "tensorflow_datasets", file_format=FORMAT)


def _no_bucket() -> contextlib.AbstractContextManager:
    """For data not yet prepared TFDS makes a temporary folder that it never uses, and leaves it."""
    from unittest import mock

    from tensorflow_datasets.core.dataset_info import DatasetInfo

    return mock.patch.object(DatasetInfo, "initialize_from_bucket", return_value=None, create=True)


def write(builder: Any, originals: pathlib.Path | None = None) -> None:
    """Downloads and prepares; `originals` is a folder of original files, used in place of downloads."""
    import tensorflow_datasets as tfds

    print(f"preparing data set '{builder.name}', once (about 15 s) ...", file=sys.stderr)
    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(manual_dir=originals)
    try:
        builder.download_and_prepare(download_config=config, file_format=FORMAT)
    except Exception as error:  # requests, TFDS and the OS each have their own
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        told = f"data set '{builder.name}' could not be prepared: {first_line}"
        raise UsageError(told + _way_out(error, builder)) from error


def _way_out(error: Exception, builder: Any) -> str:
    """Names the variable of the folder where it could not be written; the network's errors have no number."""
    if not (isinstance(error, OSError) and error.errno):
        return ""
    ours = pathlib.Path(builder.data_dir).is_relative_to(cache_dir())
    return f": set {'VAE_JAX_CACHE' if ours else 'TFDS_DATA_DIR'} to a folder that can be written"


def read(builder: Any, splits: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns every feature of the splits' examples, one split after the other, as an array."""
    try:
        sources = [builder.as_data_source(split=split) for split in splits]
        examples = [example for source in sources for example in source.__getitems__(range(len(source)))]
    except Exception as error:  # array_record and TFDS each have their own
        where = f"data set '{builder.name}': what was prepared in '{builder.data_dir}'"
        raise UsageError(f"{where} is damaged: delete that folder") from error
    return {name: np.stack([example[name] for example in examples]) for name in examples[0]}
