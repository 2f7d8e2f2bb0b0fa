"""Data sets by name: uint8 images, integer labels, fixed splits, verified checksums."""

from vae_jax.data.binarize import BINARIZATIONS, Preprocess, draw_once
from vae_jax.data.sources import SOURCES, Dataset, Source, Split, fingerprint, load, source

__all__ = [
    "BINARIZATIONS",
    "SOURCES",
    "Dataset",
    "Preprocess",
    "Source",
    "Split",
    "draw_once",
    "fingerprint",
    "load",
    "source",
]
