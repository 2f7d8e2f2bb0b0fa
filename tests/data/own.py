"""A data set of the user's own, small, in the table of all for the time of a test."""

import numpy as np

from configs import common
from vae_jax import data
from vae_jax.data.sources import fingerprint

SIZES = (48, 24, 24)
COUNT = sum(SIZES)


def images(channels=1, seed=0):
    """Returns images uint8 Nx4x4xC, of which half have their upper rows lit."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 9, (COUNT, 4, 4, channels))
    drawn[::2, :2] += 8
    return drawn.astype(np.uint8)


LABELS = np.arange(COUNT) % 2


def register(monkeypatch, *arrays, name="mine", **fields):
    """Puts the arrays into the table of data sets under `name`; returns the Source."""
    given = {"image_shape": (4, 4, 1), "max_value": 16, "sizes": SIZES, "classes": ("dark", "lit")} | fields
    sha256 = fingerprint(*map(np.asarray, (one for one in arrays if one is not None)))
    source = data.Source(**given, sha256=sha256, prepare=lambda manual_dir: arrays)
    monkeypatch.setitem(data.SOURCES, name, source)
    monkeypatch.setitem(common.NUM_EPOCHS, name, 2)
    return source
