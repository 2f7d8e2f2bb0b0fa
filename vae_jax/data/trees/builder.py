"""`trees` as a TFDS builder: importing this registers it, and `tfds.data_source("trees")` works.

Once prepared, that works without this import too: TFDS finds what was written by its name.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from vae_jax.data.trees.factors import CLASSES, FACTORS, sample
from vae_jax.data.trees.paint import SIDE
from vae_jax.data.trees.scene import render

SIZES = {"train": 10_000, "validation": 2_000, "test": 2_000}


class Trees(tfds.core.GeneratorBasedBuilder):
    """Drawn trees with their ground-truth factors; split number s is drawn with seed s."""

    VERSION = tfds.core.Version("1.0.0")  # another drawing is another version
    RELEASE_NOTES: ClassVar = {"1.0.0": "Four species, twelve factors."}

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(SIDE, SIDE, 3)),
            "label": tfds.features.ClassLabel(names=CLASSES),
            "factors": tfds.features.Tensor(shape=(len(FACTORS),), dtype=np.float32),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"Trees drawn from independent factors: {', '.join(FACTORS)}.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, manager: Any) -> dict[str, Iterator]:
        del manager  # nothing to download
        return {
            split: self._generate_examples(sample(count, seed))
            for seed, (split, count) in enumerate(SIZES.items())
        }

    def _generate_examples(self, factors: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, values) in enumerate(zip(render(factors), factors, strict=True)):
            yield index, {"image": Image.fromarray(image), "label": int(values[0]), "factors": values}
