"""Expand: a config and some named sweeps -> one config per run."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from vae_jax.config import override
from vae_jax.errors import UsageError

Overrides = Mapping[str, Any]


def expand(config: ConfigDict, sweeps: Sequence[Iterable[Overrides]]) -> list[ConfigDict]:
    """Returns the product of the sweeps applied to `config`, the last sweep varying fastest.

    Raises:
      UsageError: two sweeps set the same field; an override that does not fit the config.
    """
    sweeps = [list(sweep) for sweep in sweeps]
    _check_disjoint(sweeps)
    products = itertools.product(*sweeps)
    return [override(config, {k: v for part in parts for k, v in part.items()}) for parts in products]


def _check_disjoint(sweeps: Sequence[Sequence[Overrides]]) -> None:
    fields = [{name for overrides in sweep for name in overrides} for sweep in sweeps]
    for one, other in itertools.combinations(fields, 2):
        if shared := one & other:
            raise UsageError(f"two of the sweeps set the same config key '{min(shared)}'")
