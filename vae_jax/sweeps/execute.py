"""Execute: run what was planned, one failure never stopping the others."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vae_jax.errors import UsageError
from vae_jax.launch import Show, launch
from vae_jax.sweeps.plan import Planned


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one planned run ended: completed, diverged or failed (then `error` says why)."""

    planned: Planned
    status: str
    result: dict[str, Any]
    error: str = ""


Executor = Callable[[Sequence[Planned], pathlib.Path, pathlib.Path | None, Show], Iterator[Outcome]]


def local(
    planned: Sequence[Planned], workdir: pathlib.Path, manual_dir: pathlib.Path | None, show: Show
) -> Iterator[Outcome]:
    """Runs one after another in this process, so that equal shapes share compiled programs."""
    for entry in planned:
        try:
            _, result = launch(entry.config, workdir, manual_dir, show)
            yield Outcome(entry, result["status"], result)
        except UsageError as error:
            yield Outcome(entry, "failed", {}, str(error))
        except Exception as error:
            yield Outcome(entry, "failed", {}, f"{type(error).__name__}: {error}")


EXECUTORS: dict[str, Executor] = {"local": local}
