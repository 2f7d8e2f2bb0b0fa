"""Plan: which runs there are, which are done already, and what each would cost."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from vae_jax import build, data, runs
from vae_jax.budgets import budget
from vae_jax.config import flatten
from vae_jax.cost import Cost, cost
from vae_jax.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Planned:
    """One run of a sweep.

    Attributes:
      state: 'new', 'started' (goes on from its checkpoint), 'damaged', or how it ended before.
      flops: of its whole training.
    """

    config: ConfigDict
    run: runs.Run
    state: str
    cost: Cost
    flops: float

    @property
    def over(self) -> bool:
        """Whether it is not trained again."""
        return self.state in ("completed", "diverged")

    @property
    def fields(self) -> dict[str, Any]:
        return flatten(self.config)


def plan(configs: Sequence[ConfigDict], workdir: pathlib.Path) -> list[Planned]:
    """Returns one entry per distinct run, in the order given. Writes nothing.

    Raises:
      UsageError: a config that cannot run.
    """
    planned = {}
    for config in configs:
        entry = _planned(config, workdir)
        planned.setdefault(entry.run.id, entry)
    return list(planned.values())


def _planned(config: ConfigDict, workdir: pathlib.Path) -> Planned:
    task = build.task(config)
    source = data.source(config.dataset)
    run = runs.find(workdir, config, source.sha256)
    price = cost(task, source.image_shape)
    images = source.sizes[0] // config.batch_size * config.batch_size * budget(config)
    return Planned(config, run, _state(run), price, images * price.flops_per_image)


def _state(run: runs.Run) -> str:
    try:
        result = run.final_result()
    except UsageError:  # said in full when its turn comes; the other runs are not at fault
        return "damaged"
    if result is not None:
        return result["status"]
    return "started" if run.exists else "new"
