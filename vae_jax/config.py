"""Configs as values: overriding with checks, flattening, and the hash that names a run."""

import ast
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from vae_jax.errors import UsageError, suggestion

BESIDE = ("data_fingerprint", "numerics", "own")  # what config.json holds that is no field of a config
LONGEST = 1000  # characters of a value; a number of more could not even be written into a message
FLOAT32_MAX = float(np.finfo(np.float32).max)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns {'encoder.net': 'mlp', ...}: every leaf under its dotted name."""
    leaves = {}
    for name, value in config.items():
        if isinstance(value, Mapping | ConfigDict):
            leaves |= flatten(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = value
    return leaves


def differing(flat_configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the fields, `seed` aside, that are not the same in all of some flattened configs."""
    names = {name for fields in flat_configs for name in fields} - {"seed"}
    return [n for n in sorted(names) if len({repr(fields.get(n)) for fields in flat_configs}) > 1]


def override(config: ConfigDict, changes: Mapping[str, Any]) -> ConfigDict:
    """Returns a copy of `config` with dotted names replaced by values of the same type.

    Raises:
      UsageError: unknown name (the nearest one is named), wrong type, a number not finite.
    """
    fields = flatten(config)
    changed = config.copy_and_resolve_references()
    for name, value in changes.items():
        if name not in fields:
            raise UsageError(f"unknown config key {name!r}{_hint(name, fields)}")
        changed.update_from_flattened_dict({name: _cast(name, value, fields[name])})
    return changed


def parse(name: str, text: str, config: ConfigDict) -> Any:
    """Reads a value from the command line; text stays text where the field holds text."""
    like = flatten(config).get(name, "")
    if isinstance(like, str):
        return text
    if len(text) > LONGEST:
        return f"{text[:40]}..."
    try:
        return ast.literal_eval(text.capitalize() if isinstance(like, bool) else text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text.strip()  # 'nan', 'abc': `override` says what is wrong with it


def run_id(config: ConfigDict, data_fingerprint: str, **beside: Any) -> str:
    """Returns the 12 hexadecimal digits that name a run: the hash of `resolved_json`."""
    return hash_text(resolved_json(config, data_fingerprint, **beside))[:12]


def run_ids(text: str, name: str, values: Iterable[int]) -> Iterator[str]:
    """Yields a run's id for each value of one whole number at the top of its config, in microseconds.

    Args:
      text: the run's `resolved_json`.
    """
    before, after = re.split(rf'(?<=\n "{name}": )\d+', text)
    for value in values:
        yield hash_text(f"{before}{value}{after}")[:12]


def resolved_json(config: ConfigDict, data_fingerprint: str, **beside: Any) -> str:
    """Returns the text of config.json: every field, and what else decides the run's numbers.

    Args:
      beside: see `identity.beside`.
    """
    return canonical(config.to_dict() | {"data_fingerprint": data_fingerprint, **beside})


def canonical(fields: Mapping[str, Any]) -> str:
    """Returns the one text that such fields have, whose hash names their run."""
    return json.dumps(fields, sort_keys=True, indent=1)


def read_json(text: str) -> tuple[ConfigDict, dict[str, Any]]:
    """Returns the config, and what stands beside it, that `resolved_json` wrote."""
    fields = json.loads(text, object_hook=_with_tuples)
    beside = {name: fields.pop(name) for name in BESIDE if name in fields}
    return ConfigDict(fields), beside


def read_fields(text: str) -> dict[str, Any]:
    """Returns the flattened content of config.json, all of BESIDE among it; no ConfigDict is built."""
    return flatten(json.loads(text, object_hook=_with_tuples))


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hint(name: str, fields: Mapping[str, Any]) -> str:
    """Says what the writer of an unknown name may have meant: a group, a field in one, a like name."""
    inside = [field for field in fields if field.startswith(name + ".")]
    if inside:
        return f": it is a group of {', '.join(inside)}"
    last = [field for field in fields if field.split(".")[-1] == name.split(".")[-1]]
    near = f"; did you mean '{last[0]}'?" if last else suggestion(name, fields)
    return near or f": choose from {', '.join(fields)}"


def _cast(name: str, value: Any, like: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value  # from np.logspace, say
    if isinstance(like, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < FLOAT32_MAX else math.inf
    if isinstance(like, tuple):
        value = _as_tuple(name, value, like)
    if type(value) is not type(like):
        raise UsageError(f"config key '{name}' needs {_kind(like)}, not {value!r}")
    if isinstance(value, float) and not is_finite(value):
        raise UsageError(f"config key '{name}' must be a finite number, not {value}")
    return value


def is_finite(value: float) -> bool:
    """Whether a number is finite in float32, in which everything is computed."""
    return abs(value) <= FLOAT32_MAX


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}


def _as_tuple(name: str, value: Any, like: tuple) -> Any:
    value = tuple(value) if isinstance(value, list | tuple) else (value,)
    kind = type(like[0]) if like else int  # the only tuples that can be empty are of sizes
    if any(type(item) is not kind for item in value):
        raise UsageError(f"config key '{name}' needs a tuple of {kind.__name__}, not {value!r}")
    return value


def _kind(like: Any) -> str:
    names = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
    return names.get(type(like), type(like).__name__)
