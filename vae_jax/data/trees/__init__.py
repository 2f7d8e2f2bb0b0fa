"""`trees`: scenery for a video game, drawn from ground-truth factors that are all kept.

Pines, Douglas firs, palms and oaks, 32x32 in colour: the example of the post. Nothing is downloaded.
"""

import pathlib

import numpy as np

from vae_jax.data import records
from vae_jax.data.trees.factors import CLASSES, FACTORS, RANGES, Range, sample
from vae_jax.data.trees.scene import render

__all__ = ["CLASSES", "FACTORS", "RANGES", "Range", "prepare", "render", "sample"]


def prepare(manual_dir: pathlib.Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns images uint8 14000x32x32x3, labels int64 14000 and factors float32 14000x12.

    Drawn once and kept by TFDS, as for the other sets: its train, then validation, then test.
    """
    del manual_dir  # nothing to download
    with records.quiet():
        from vae_jax.data.trees.builder import Trees  # imports TFDS, 2 s

        builder = records.find(Trees)
        if not builder.is_prepared():
            records.write(builder)
        found = records.read(builder, ("train", "validation", "test"))
    return found["image"], found["label"].astype(np.int64), found["factors"]
