"""Workers as tasks of a Ray cluster: the user's, by address, or one on this machine.

The nodes share the work directory and have this package installed. A task takes a GPU where the
cluster has any, else a processor; Ray runs it again where its worker or its node dies.
"""

import logging
import os
import signal
import socket
import warnings
from typing import Any

from vae_jax.errors import UsageError
from vae_jax.sweeps.execute import TRIES, Job, Remote
from vae_jax.sweeps.worker import Order, work

CONNECT_SECONDS = 5.0


class Ray(Remote):
    """Args:
    address: 'auto' for the cluster that runs on this machine, HOST:PORT for another; empty to
      start one here, which listens on the loopback alone.
    """

    def __init__(self, address: str = ""):
        self._ray = _connect(address)
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        self.slots = gpus or int(resources.get("CPU", 1))
        # One task for each process, because JAX keeps its memory.
        options = {"num_cpus": 1, "num_gpus": 1 if gpus else 0, "max_calls": 1, "max_retries": TRIES - 1}
        self._work = self._ray.remote(**options)(work if gpus else work_on_one_processor)

    def start(self, order: Order) -> Job:
        return _Task(self._ray, self._work.remote(*order))

    def close(self) -> None:
        self._ray.shutdown()


def work_on_one_processor(*order: str) -> None:
    """Ray gives a task one processor and leaves it to the task to keep to it."""
    os.environ["NPROC"] = "1"  # of JAX's threads, read when it first computes
    work(*order)


class _Task:
    def __init__(self, ray: Any, task: Any):
        self._ray, self._task = ray, task

    def running(self) -> bool:
        over, _ = self._ray.wait([self._task], timeout=0)
        return not over

    def stop(self) -> None:
        self._ray.cancel(self._task, force=True)


def _connect(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address:  # Ray's word for it on macOS and Windows, where it is the default
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError:
        raise UsageError("executor 'ray' needs Ray: pip install -e .[ray]") from None
    _check_reachable(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    own_cluster = {} if address else {"include_dashboard": False}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=r"os\.fork", category=RuntimeWarning
            )  # and exec, at once
            ray.init(address or "local", logging_level="ERROR", log_to_driver=False, **own_cluster)
    except Exception as error:  # of many kinds, some of them with a page of text
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"no Ray cluster at '{address or 'local'}': {reason}") from None
    finally:
        if signal.getsignal(signal.SIGTERM) is not handler:  # Ray puts its own in this place
            signal.signal(signal.SIGTERM, handler)
    return ray


def _check_reachable(address: str) -> None:
    """Raises UsageError where nobody answers: Ray itself would try for ten minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UsageError(f"no Ray cluster at '{address}': {error}") from None
