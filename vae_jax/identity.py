"""What names a run: its config, and all else that decides its numbers.

That is the data set (its arrays, shape, largest value and splits), the numeric mode (x64, precision
of products, random numbers) where it is not the usual one, and the code of parts and metrics from
outside this package. Versions, the processor and the place in a population change last digits only;
a result records them.
"""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from vae_jax import config, data, evaluate, own, runs
from vae_jax.check import NAMES
from vae_jax.errors import UsageError, lookup
from vae_jax.source_digest import digest, is_own

USUAL = {
    "jax_enable_x64": False,
    "jax_default_matmul_precision": "highest",
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
}
METRICS = "evaluate.EVALUATIONS"  # own metrics, among the own parts


def run_of(fields: ConfigDict, workdir: pathlib.Path) -> runs.Run:
    """Returns the run of a config under `workdir`, whether or not it exists.

    Raises:
      UsageError: an unknown data set or part.
    """
    return runs.find(workdir, fields, **beside(fields))


def resolved_json(fields: ConfigDict) -> str:
    """Returns the text of config.json."""
    return config.resolved_json(fields, **beside(fields))


def beside(fields: ConfigDict) -> dict[str, Any]:
    """Returns what names a run beside its config: `data_fingerprint`, and where there is any, `numerics`
    and `own`."""
    found = {"numerics": numerics(), "own": own_parts(config.flatten(fields))}
    fingerprint = data.source(fields.dataset).fingerprint
    return {"data_fingerprint": fingerprint} | {name: value for name, value in found.items() if value}


def numerics() -> dict[str, Any]:
    """Returns JAX's settings that decide more than last digits, as far as they are not the usual ones."""
    now = {name: getattr(jax.config, name) for name in USUAL}
    return {name: value for name, value in now.items() if value != USUAL[name]}


def own_parts(fields: Mapping[str, Any]) -> dict[str, str]:
    """Returns the digests of the chosen parts, and of the metrics, that are from outside the package."""
    chosen = {name: lookup(name, fields[name], table) for name, table in NAMES.items() if name != "dataset"}
    metrics = [one for one in evaluate.EVALUATIONS if is_own(one)]
    found = chosen | ({METRICS: metrics} if metrics else {})
    return {name: digest(part) for name, part in found.items() if is_own(part)}


def is_foreign(fields: ConfigDict) -> bool:
    """Whether a config names data or parts of the user's own, or the user's metrics are there."""
    return is_own(data.source(fields.dataset).prepare) or bool(own_parts(config.flatten(fields)))


def remember(fields: ConfigDict) -> None:
    """Notes in which files the user's own data and parts are, for `check` in later commands."""
    if own.LOADED and is_foreign(fields):
        own.remember({digest: name for name, digest in _digests(beside(fields)).items()})


def imports(every: Iterable[ConfigDict]) -> list[str]:
    """Returns the user's own files that a process needs to train these configs."""
    return [str(path) for path in own.LOADED] if any(map(is_foreign, every)) else []


def check(run: runs.Run) -> None:
    """Sees that a run can be computed with here as it was made, importing its own files if need be.

    Raises:
      UsageError: its data set or parts are not there or others, or JAX has another numeric mode.
    """
    fields, made_with = run.config()
    if _differences(fields, made_with):
        own.find(_digests(made_with).values())
    if differences := _differences(fields, made_with):
        raise UsageError(f"run '{run.path}' was made with {differences[0]}")


def _digests(made_with: Mapping[str, Any]) -> dict[str, str]:
    return {"dataset": made_with["data_fingerprint"], **made_with.get("own", {})}


def _differences(fields: ConfigDict, made_with: Mapping[str, Any]) -> list[str]:
    """Returns what is not here as the run had it, each with a way out."""
    return [*_mode_differences(made_with.get("numerics", {})), *_part_differences(fields, made_with)]


def _mode_differences(recorded: Mapping[str, Any]) -> list[str]:
    now = numerics()
    return [
        f"{name.upper()}={recorded.get(name, USUAL[name])}, here it is {getattr(jax.config, name)}: "
        "set this variable as it was"
        for name in USUAL
        if recorded.get(name) != now.get(name)
    ]


def _part_differences(fields: ConfigDict, made_with: Mapping[str, Any]) -> list[str]:
    try:
        now = _digests(beside(fields))
    except UsageError as error:
        return [f"parts that are not here ({error}): give --import=FILE that registers them"]
    then = _digests(made_with)
    names = (now.keys() | then.keys()) - {METRICS}  # no model needs them
    flat = config.flatten(fields)
    return [
        f"another {name} {flat.get(name, '')!s} than there is here: its code or data has changed"
        for name in sorted(names)
        if now.get(name) != then.get(name)
    ]
