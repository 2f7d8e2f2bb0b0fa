"""A worker process: reads ids of populations, a line each, and trains them one after another.

    python -m vae_jax.sweeps.worker CORES WORKDIR MANUAL_DIR

Tells every epoch and outcome as a line of JSON; it ends when its input does, or its parent.
"""

import ctypes
import json
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from vae_jax.compilation import enable_cache
from vae_jax.errors import UsageError
from vae_jax.launch import Outcome
from vae_jax.runs import Run
from vae_jax.sweeps.cores import from_text, pin
from vae_jax.sweeps.population import FOLDER, launch, read

Tell = Callable[[dict[str, Any]], None]
PR_SET_PDEATHSIG = 1  # of Linux's prctl
SECONDS_BETWEEN = 0.2  # of the lines about a run's epochs


def main(workdir: pathlib.Path, manual_dir: pathlib.Path | None, orders: TextIO, out: TextIO) -> None:
    def tell(event: dict[str, Any]) -> None:
        print(json.dumps(event), file=out, flush=True)

    for order in orders:
        try:
            population = read(workdir / FOLDER / order.strip())
            for outcome in launch(population, workdir, manual_dir, _epochs(tell)):
                tell(told(outcome))
        except UsageError as error:
            sys.exit(f"error: {error}")
        tell({"kind": "done"})


def told(outcome: Outcome) -> dict[str, Any]:
    """Returns an outcome as JSON has it."""
    error = outcome.error and (type(outcome.error).__name__, str(outcome.error))
    return {
        **{"kind": "outcome", "run": outcome.run.id, "status": outcome.status},
        **{"result": outcome.result, "error": error},
    }


def _epochs(tell: Tell) -> Callable[[Run, int, dict[str, float]], None]:
    """Returns a Show that tells of each run's epochs now and then."""
    last: dict[str, float] = {}

    def show(run: Run, epoch: int, metrics: dict[str, float]) -> None:
        now = time.monotonic()
        if now - last.get(run.id, 0.0) > SECONDS_BETWEEN:
            last[run.id] = now
            losses = {name: value for name, value in metrics.items() if name.endswith("/loss")}
            tell({"kind": "epoch", "run": run.id, "epoch": epoch, "metrics": losses})

    return show


def _end_with_parent() -> None:
    """A worker must not outlive a launcher that was killed: it would hold its runs' locks."""
    parent = os.getppid()
    if sys.platform == "linux":  # at once; elsewhere, and if that fails, within half a second
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    pin(from_text(sys.argv[1]))
    enable_cache()
    given = [pathlib.Path(path) if path else None for path in sys.argv[2:]]
    main(*given, sys.stdin, sys.stdout)
