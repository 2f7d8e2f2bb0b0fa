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
from vae_jax.errors import DamagedError, UsageError
from vae_jax.identity import run_of


@dataclasses.dataclass(frozen=True)
class Planned:
    """One run of a sweep.

    Attributes:
      state: 'new', 'started' (goes on from its checkpoint), 'damaged', or how it ended before.
      damaged: the file that is not as it was written, if any.
      flops, steps: of its whole training.
    """

    config: ConfigDict
    run: runs.Run
    state: str
    damaged: pathlib.Path | None
    cost: Cost
    flops: float
    steps: int

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
    run = run_of(config, workdir)
    price = cost(task, source.image_shape)
    steps = source.sizes[0] // config.batch_size * budget(config)
    flops = steps * config.batch_size * price.flops_per_image
    return Planned(config, run, *_state(run), price, flops, steps)


def _state(run: runs.Run) -> tuple[str, pathlib.Path | None]:
    try:
        result = run.final_result()
        run.verify()
    except DamagedError as error:
        return "damaged", error.path
    except UsageError:  # said in full when its turn comes; the other runs are not at fault
        return "damaged", None
    if result is not None:
        return result["status"], None
    return ("started" if run.exists else "new"), None
