"""Workers as tasks of a Ray cluster: the user's, by address, or one on this machine.

The nodes share the work directory and have this package installed. A task takes a GPU where the
cluster has any, else a processor; Ray runs it again where its worker or its node dies.
"""

import os
from typing import Any

from vae_jax.errors import UsageError
from vae_jax.sweeps.execute import TRIES, Job, Remote
from vae_jax.sweeps.worker import Order, work


class Ray(Remote):
    """Args:
    address: 'auto' for the cluster that runs on this machine, HOST:PORT for another; empty to
      start one here.
    """

    def __init__(self, address: str = ""):
        self._ray = _connect(address)
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        self.slots = gpus or int(resources.get("CPU", 1))
        # One task for each process: JAX keeps its memory. NPROC: as many threads as processors.
        options = {"num_cpus": 1, "num_gpus": 1 if gpus else 0, "max_calls": 1, "max_retries": TRIES - 1}
        environment = {"env_vars": {} if gpus else {"NPROC": "1"}}
        self._work = self._ray.remote(**options, runtime_env=environment)(work)

    def start(self, order: Order) -> Job:
        return _Task(self._ray, self._work.remote(*order))

    def close(self) -> None:
        self._ray.shutdown()


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
    try:
        import ray
    except ImportError:
        raise UsageError("executor 'ray' needs Ray: pip install -e .[ray]") from None
    try:
        ray.init(address or "local", include_dashboard=False if not address else None, log_to_driver=False)
    except Exception as error:  # of many kinds, some of them with a page of text
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"no Ray cluster at '{address}': {reason}") from None
    return ray
