"""Several processes, on one machine or many, that compute one run together.

Process 0 is the only one that reads and writes the work directory, evaluates and reports. Before
each epoch it tells the others to go on and sends them its state; at last, its exit code. So they
agree on everything, know nothing of files, and end as it does.

A process that dies takes the others with it: JAX's heartbeat, or the broken connection, ends them.
The same commands then go on from the last checkpoint.
"""

import contextlib
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from vae_jax.checkpoints import with_keys, without_keys
from vae_jax.errors import UsageError

HEARTBEAT_SECONDS = 30  # without a sign of life from a process, the others end
GO = -1  # no exit code


def join(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Waits for the other processes, five minutes at most; before anything else is asked of JAX.

    Args:
      coordinator: HOST:PORT at which process 0 listens. All None: as a cluster says that JAX knows
        (SLURM, Open MPI, Kubernetes, TPU).

    Ports are opened at the coordinator's address alone, see `bind_address`. Where that is the loopback,
    the connections by which CPUs exchange arrays are there as well.

    Raises:
      UsageError: no such cluster; numbers that do not fit together.
    """
    jax.config.update("jax_enable_preemption_service", False)  # it would hold SIGTERM up
    seconds = {"heartbeat_timeout_seconds": HEARTBEAT_SECONDS, "shutdown_timeout_seconds": HEARTBEAT_SECONDS}
    bound = bind_address(coordinator) if coordinator else None
    try:
        jax.distributed.initialize(
            coordinator, num_processes, process_id, coordinator_bind_address=bound, **seconds
        )
        if bound and is_loopback(bound):
            _exchange_on_loopback()
    except (ValueError, RuntimeError) as error:
        where = f"at {coordinator}" if coordinator else "of a cluster that JAX knows"
        raise UsageError(f"cannot join the processes {where}: {error}") from None
    if jax.process_index() > 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all, and process 0 decides


def bind_address(coordinator: str) -> str | None:
    """Returns the address at which process 0 listens, for a coordinator at HOST:PORT.

    It is that of HOST. None, which is every address of the machine, where HOST is a name that this
    machine has given to its own loopback, so that others must know it by another address, or one that
    is not an address of this machine, as behind a translation of addresses.
    """
    host, _, port = coordinator.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as free:
            free.bind((address, 0))
    except (OSError, UnicodeError):
        return None
    shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return None if is_loopback(shown) and not _says_loopback(host) else shown


def is_loopback(address: str) -> bool:
    """Whether 127.0.0.1:1234 or [::1]:1234 is reached from this machine alone."""
    return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_loopback


def _says_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _exchange_on_loopback() -> None:
    """Gloo would listen at the address of the machine's name. JAX has no setting for that yet."""
    with contextlib.suppress(ImportError, AttributeError):  # a JAX that has moved these
        from jax._src import xla_bridge
        from jax._src.distributed import global_state
        from jax.extend.backend import register_backend_factory
        from jaxlib import _jax

        def make() -> Any:
            connections = _jax.make_gloo_tcp_collectives(
                distributed_client=global_state.client, hostname="127.0.0.1"
            )
            return xla_bridge.make_cpu_client(connections)

        register_backend_factory("cpu", make, priority=0, fail_quietly=False)


def check_same(text: str) -> None:
    """Raises UsageError, in all processes, where they do not have the same ASCII text of one length."""
    if not jax.distributed.is_initialized():
        return
    from jax.experimental.multihost_utils import process_allgather

    with in_step():
        texts = process_allgather(np.frombuffer(text.encode(), np.uint8)).reshape(jax.process_count(), -1)
    found = [bytes(row).decode() for row in texts]
    if len(set(found)) > 1:
        raise UsageError(f"the processes were given different runs: {', '.join(found)}")


def tell(code: int = GO) -> int:
    """Returns, in every process, the code that process 0 gives."""
    with in_step():
        return _tell(code)


def from_first(tree: Any) -> Any:
    """Returns, in every process, the arrays that process 0 has; the others give the shapes and types.

    Process 0 tells GO before; the others call this when they have heard it.
    """
    if jax.process_count() == 1:
        return tree
    if jax.process_index() == 0:
        _tell(GO)
    numbers = _broadcast(jax.tree.map(lambda leaf: np.asarray(without_keys(leaf)), tree))
    return jax.tree.map(with_keys, tree, numbers)


def end(code: int) -> int:
    """Returns the exit code of all processes, process 0's, once every one of them is here.

    One that has to end while process 0 goes on ends at once with its own, and thereby all.
    """
    if not jax.distributed.is_initialized():
        return code
    told = tell(code)
    if told == GO:
        leave(code)
    jax.distributed.shutdown()
    return told


@contextlib.contextmanager
def in_step() -> Iterator[None]:
    """Around what all processes do together: a signal waits for its end, an error ends this process.

    It ends at once, because Python's own way out would wait for the others, which wait for it.
    """
    if not jax.distributed.is_initialized():
        yield
        return
    asked: list[int] = []
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: asked.append(number))
    try:
        yield
    except Exception as error:
        print(
            f"error: cannot go on with the other processes: {' '.join(str(error).split())}", file=sys.stderr
        )
        leave(128 + asked[0] if asked else 1)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    if asked:
        signal.raise_signal(asked[0])


def _tell(code: int) -> int:
    return int(_broadcast(np.int32(code)))


def _broadcast(tree: Any) -> Any:
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return broadcast_one_to_all(tree)


def leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
