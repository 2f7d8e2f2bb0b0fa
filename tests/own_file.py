"""A config file of a user's own, outside the repository: a data set, a net, a metric, a helper file."""

import contextlib
import pathlib
import sys

from vae_jax import data, evaluate, nets, own

REPOSITORY = pathlib.Path(__file__).parent.parent
HELPER = "SCALE = 2.0\n\n\ndef scaled(x):\n    return SCALE * x\n"

OWN = """
from __future__ import annotations

import dataclasses

import numpy as np
from flax import linen as nn
from helper import scaled

from configs import vae
from vae_jax import data, evaluate, nets
from vae_jax.data.sources import fingerprint
from vae_jax.nets.mlp import MLPEncoder

IMAGES = np.random.default_rng(0).integers(0, 17, (48, 8, 8, 1)).astype(np.uint8)
LABELS = np.arange(48) % 2


@dataclasses.dataclass
class Settings:
    factor: float = 1.0


def prepare(manual_dir):
    return IMAGES, LABELS


class Mine(MLPEncoder):
    @nn.compact
    def __call__(self, images):
        return Settings().factor * scaled(nn.Dense(self.output_size)(images.reshape(len(images), -1)))


def spread(evaluation):
    return {"spread": float(np.abs(evaluation.codes).mean())}


SHA256 = fingerprint(IMAGES, LABELS)
data.SOURCES["mine"] = data.Source((8, 8, 1), 16, (32, 8, 8), ("a", "b"), SHA256, prepare)
nets.ENCODERS["mine"] = Mine
evaluate.EVALUATIONS = (*evaluate.EVALUATIONS, spread)


def get_config(arg=""):
    config = vae.get_config("smoke")
    config.update(dataset="mine", batch_size=8, bottleneck_width=16)
    config.encoder.net = "mine"
    return config


def sweep_seed():
    for seed in range(2):
        yield {"seed": seed}
"""


def write(folder, changes=None, helper=HELPER):
    """Writes own.py and helper.py, some text of the former replaced; returns the path of the former."""
    text = OWN
    for before, after in (changes or {}).items():
        assert before in text
        text = text.replace(before, after)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "helper.py").write_text(helper)
    path = folder / "own.py"
    path.write_text(text)
    return path


@contextlib.contextmanager
def nothing_registered():
    """Undoes what own files register: as in a new process, before and after."""
    tables = [data.SOURCES, nets.ENCODERS]
    before, evaluations = [dict(table) for table in tables], evaluate.EVALUATIONS
    folders = list(sys.path)
    forget()
    try:
        yield
    finally:
        for table, kept in zip(tables, before, strict=True):
            table.clear()
            table.update(kept)
        evaluate.EVALUATIONS = evaluations
        sys.path[:] = folders
        forget()


def forget():
    """As in a new process: no own file is imported."""
    own.LOADED.clear()
    sys.modules.pop("helper", None)
