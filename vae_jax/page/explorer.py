"""Decoders, test codes and test images for the page: a latent space that can be walked in."""

import base64
import pathlib
import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from vae_jax import data, launch
from vae_jax.errors import DamagedError, UsageError, lookup
from vae_jax.evaluate import codes
from vae_jax.evaluate.active_units import activity
from vae_jax.launch import Trained
from vae_jax.page.program import UnknownStepError, encoded, program, size
from vae_jax.results import Row

MODELS = 12  # that are chosen where none is asked for
POINTS = 2000  # test images of a map
MODEL_BYTES = 6_000_000  # of one decoder's weights in the page
ALL_BYTES = 12_000_000  # of all together


def explorer(
    rows: Sequence[Row], mapped: Collection[str], wanted: Sequence[str], manual_dir: pathlib.Path | None
) -> dict[str, Any]:
    """Returns `models`, the `images` that their maps show, and `left_out`: which and why.

    Args:
      mapped: ids of the runs behind the latent maps that were drawn; they come first.
      wanted: ids of the runs to take instead of choosing.
    """
    finished = {row.run.id: row for row in rows if row.status == "completed"}
    chosen = [lookup("finished run", run, finished) for run in wanted] or _choice(finished.values(), mapped)
    found: dict[str, Any] = {"models": [], "images": {}, "left_out": {}}
    for row in chosen:
        try:
            _add(found, row, launch.load(row.run, manual_dir), limited=not wanted)
        except (UsageError, UnknownStepError) as error:
            found["left_out"][row.run.id] = str(error)
            if isinstance(error, DamagedError):
                print(f"left out: {error}", file=sys.stderr)
    return found


def _choice(rows: Collection[Row], mapped: Collection[str]) -> list[Row]:
    """Returns one seed of every config before another of any, the latent maps' and small codes first."""
    found = sorted(rows, key=lambda r: (r.fields["seed"], r.run.id not in mapped, r.fields["latent_size"]))
    return found[:MODELS]


def _add(found: dict[str, Any], row: Row, trained: Trained, limited: bool) -> None:
    """Adds a model; UnknownStepError where the page cannot run it or has no room for it."""
    latent_size = row.fields["latent_size"]
    decoder = program(trained.model, trained.variables, latent_size)
    total = size(decoder) + sum(size(model["decoder"]) for model in found["models"])
    if limited and (size(decoder) > MODEL_BYTES or total > ALL_BYTES):
        raise UnknownStepError(f"its decoder is too large for the page; ask for it: --explore={row.run.id}")
    test = trained.dataset.test
    images = data.draw_once(trained.preprocess, test.images[:POINTS], "test")
    key = f"{row.fields['dataset']}, {row.fields['binarize']}"
    found["images"].setdefault(key, _images(images, test.labels, trained.dataset.source.classes))
    found["models"].append(_model(row.run.id, key, decoder, codes(trained.model, trained.variables, images)))


def _images(images_NxHxWxC: np.ndarray, labels: np.ndarray | None, classes: Sequence[str]) -> dict[str, Any]:
    """`labels` and `classes` are empty where the data set has none."""
    pixels = np.rint(255 * np.asarray(images_NxHxWxC)).astype(np.uint8)
    return {
        "shape": pixels.shape[1:],
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
        "labels": [] if labels is None else labels[: len(pixels)].tolist(),
        "classes": classes,
    }


def _model(run: str, key: str, decoder: dict[str, Any], codes_NxZ: np.ndarray) -> dict[str, Any]:
    """`order`: the dimensions, the most active first; `activity`: Var of each one's mean over images."""
    active = activity(codes_NxZ)
    return {
        "run": run,
        "images": key,
        "decoder": decoder,
        "codes": encoded(codes_NxZ),
        "activity": active.tolist(),
        "order": np.argsort(-active, kind="stable").tolist(),
        "low": np.quantile(codes_NxZ, 0.002, axis=0).tolist(),
        "high": np.quantile(codes_NxZ, 0.998, axis=0).tolist(),
    }
