"""What stands in the files of a run, and how each vouches for itself and for whose it is.

Whatever is read is checked for its types here, so that no reader need expect anything else.
"""

import json
import math
import re
import zlib
from typing import Any

from vae_jax import files
from vae_jax.config import hash_text

STATUSES = ("completed", "diverged", "failed")
VOUCHED = re.compile(r"config\.json|metrics\.jsonl|events\.out[^/]*|checkpoints/[a-z_]+\.npz")  # by a result
NUMBERS = (  # of a result, beside its metrics
    "best_epoch",
    "devices",
    "diverged_step",
    "epoch_seconds",
    "epochs",
    "evaluation_seconds",
    "flops_per_image",
    "iwae_samples",
    "parameters",
    "seconds",
    "valid_loss",
)
CONFIG = {  # what lists of runs rely on
    **dict.fromkeys(("binarize", "data_fingerprint", "dataset", "likelihood", "objective"), str),
    **dict.fromkeys(("latent_size", "num_epochs", "seed"), int),
    "beta": float,
}
Metrics = dict[str, float | None]


def line(run_id: str, metrics: Metrics) -> str:
    """Returns a line of metrics.jsonl."""
    return json.dumps(metrics | {"crc32": checksum(run_id, metrics)}) + "\n"


def parsed(run_id: str, text: bytes) -> Metrics:
    """Returns the content of such a line; ValueError or KeyError where it is not as this run wrote it."""
    metrics = files.parse_object(text)
    if metrics.pop("crc32") != checksum(run_id, metrics):
        raise ValueError("not as it was written, or of another run")
    if not all(value is None or (_is_number(value) and math.isfinite(value)) for value in metrics.values()):
        raise ValueError("no number")
    return metrics


def checksum(run_id: str, metrics: Metrics) -> int:
    """Returns the checksum of a line: in another run's file, the same line has another."""
    return zlib.crc32(json.dumps(metrics).encode(), zlib.crc32(run_id.encode()))


def digest(result: dict[str, Any]) -> str:
    """Returns the digest of a result."""
    return hash_text(json.dumps(result, sort_keys=True))


def is_sound(result: dict[str, Any]) -> bool:
    """Whether what others rely on in a result has the types that it was written with."""
    parts = [result.get(name, {}) for name in ("files", "metrics", "versions")]
    if result.get("status") not in STATUSES or not all(isinstance(part, dict) for part in parts):
        return False
    written, metrics, _ = parts
    numbers = [*metrics.values(), *(result[name] for name in NUMBERS if result.get(name) is not None)]
    return all(map(VOUCHED.fullmatch, written)) and all(map(_is_number, numbers))


def is_config(text: str) -> bool:
    """Whether the content of config.json is a config: a right hash does not say that."""
    try:
        fields = files.parse_object(text)
    except ValueError:
        return False
    return all(isinstance(fields.get(name), kind) for name, kind in CONFIG.items())


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
