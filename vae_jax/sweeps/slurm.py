"""Workers as jobs of a SLURM cluster, through submitit.

The nodes share the work directory and this environment. A job that is killed or runs out of its
time is submitted again and goes on from the last checkpoint. Submitit itself pickles what a job is
to call, for the job to read; of runs nothing is.
"""

from typing import Any

from vae_jax.errors import UsageError
from vae_jax.sweeps.execute import Job, Remote
from vae_jax.sweeps.worker import Order, work

JOBS = 8  # at the same time, unless `jobs` says otherwise


class Submitit(Remote):
    """Args:
    folder: for submitit's own files.
    arguments: 'jobs=16,timeout_min=600,slurm_partition=gpu,gpus_per_node=1': how many jobs at a
      time, and parameters of `submitit.AutoExecutor`; 'cluster=local' for processes of this
      machine, to try it out.
    """

    def __init__(self, folder: str, arguments: str = ""):
        given = dict(_pair(text) for text in arguments.split(",") if text)
        self.slots = given.pop("jobs", JOBS)
        if not (isinstance(self.slots, int) and self.slots > 0):
            raise UsageError(f"executor 'submitit': jobs must be a number from 1, not '{self.slots}'")
        try:
            import submitit
        except ImportError:
            raise UsageError("executor 'submitit' needs submitit: pip install -e .[submitit]") from None
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=given.pop("cluster", None) or "slurm")
            self._executor.update_parameters(**given)
        except Exception as error:  # an unknown parameter, a wrong type, no SLURM here
            raise UsageError(f"submitit: {' '.join(str(error).split())}") from None

    def start(self, order: Order) -> Job:
        return _Job(self._executor.submit(work, *order))


class _Job:
    """Its result is never read: submitit would unpickle it. The worker's file tells all."""

    def __init__(self, job: Any):
        self._job = job

    def running(self) -> bool:
        return not self._job.done()

    def stop(self) -> None:
        self._job.cancel(check=False)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"executor 'submitit' takes name=value, not '{text}'")
    return name, int(value) if value.isdigit() else value
