"""Workers as processes of this machine, each on cores of its own, or on a GPU of its own."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable

from vae_jax.sweeps.cores import as_text, environments, most, shares
from vae_jax.sweeps.execute import Job, Remote
from vae_jax.sweeps.worker import Order

COMMAND = ["-c", "from vae_jax.sweeps.worker import main; main()"]


class Processes(Remote):
    """So many worker processes at once; a worker ends with its launcher, however that ends."""

    def __init__(self, slots: int | None = None):
        self.slots = slots or most()
        self._free = list(zip(shares(self.slots), environments(self.slots), strict=True))

    def start(self, order: Order) -> Job:
        cores, environment = share = self._free.pop(0)
        process = subprocess.Popen(
            [sys.executable, *COMMAND, json.dumps(order), as_text(cores)],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the launcher, which then ends its workers
        )
        return _Process(process, lambda: self._free.append(share))


@dataclasses.dataclass
class _Process:
    process: subprocess.Popen
    give_back: Callable[[], None]

    def running(self) -> bool:
        if self.process.poll() is None:
            return True
        self.give_back()
        return False

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
