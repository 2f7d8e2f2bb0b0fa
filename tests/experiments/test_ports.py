"""Who listens where, as Linux tells it."""

import contextlib
import ipaddress
import os
import pathlib
import socket
import sys
import time

import pytest

from tests.experiments.commands import LINEAR, start
from vae_jax import distributed

LISTENING = "0A"
PROC = pathlib.Path("/proc")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

# Ray itself is asked nothing but to start: what listens then listens as long as it is there.
RAY = """
import pathlib, sys, time
from vae_jax.sweeps import executor
using = executor("ray", pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
using.close()
"""


def family_of(pid):
    """Returns a process and all that descend from it."""
    parents = {}
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, more = {pid}, {pid}
    while more:
        more = {child for child, parent in parents.items() if parent in more} - found
        found |= more
    return found


def listening(pid):
    """Returns the addresses at which a process listens."""
    inodes, found = set(), set()
    with contextlib.suppress(OSError):  # it has ended
        for link in list((PROC / str(pid) / "fd").iterdir()):
            with contextlib.suppress(OSError):  # closed since
                inodes.add(os.readlink(link))
    for name in ("tcp", "tcp6"):
        for line in (PROC / "net" / name).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTENING and f"socket:[{rest[5]}]" in inodes:
                found.add(address(local.partition(":")[0]))
    return found


def address(digits):
    """Reads 0100007F: words of four bytes, each in the order of this machine."""
    words = [bytes.fromhex(digits[i : i + 8]) for i in range(0, len(digits), 8)]
    ordered = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    found = ipaddress.ip_address(ordered)
    return getattr(found, "ipv4_mapped", None) or found


def assert_loopback(addresses):
    assert addresses
    assert all(found.is_loopback for found in addresses), addresses


@linux
def test_address_is_read_as_linux_writes_it():
    with socket.create_server(("127.0.0.1", 0)), socket.create_server(("::1", 0), family=socket.AF_INET6):
        assert {str(found) for found in listening(os.getpid())} >= {"127.0.0.1", "::1"}
    with socket.create_server(("", 0)):
        assert "0.0.0.0" in {str(found) for found in listening(os.getpid())}


@linux
@pytest.mark.slow
def test_processes_that_train_one_run_listen_on_the_loopback_alone(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = [f"--config={LINEAR}", "--config.num_epochs=200", f"--coordinator=127.0.0.1:{port}"]
    flags += ["--num_processes=2", f"--workdir={tmp_path}"]
    found, counts = set(), []
    with contextlib.ExitStack() as stack:
        both = [
            stack.enter_context(start("-m", "experiments.train", *flags, f"--process_id={number}"))
            for number in range(2)
        ]
        while any(process.poll() is None for process in both):
            each = [listening(process.pid) for process in both]
            counts.append(sum(map(bool, each)))
            found = found.union(*each)
            time.sleep(0.05)
        assert [process.returncode for process in both] == [0, 0]
    assert max(counts) == 2  # the coordinator, and where the two exchange arrays
    assert_loopback(found)


@linux
@pytest.mark.slow
def test_ray_cluster_of_our_own_listens_on_the_loopback_alone(tmp_path):
    pytest.importorskip("ray", reason="needs the extra [ray]")
    with start("-c", RAY, tmp_path, stdin=-1) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(3)  # the processes that Ray starts on the way
        family = family_of(process.pid)
        found = set().union(*map(listening, family))
        process.communicate("", timeout=60)
    assert len(family) > 3
    assert_loopback(found)


@pytest.mark.parametrize(
    ("coordinator", "bound"),
    [
        ("127.0.0.1:1234", "127.0.0.1:1234"),
        ("localhost:1234", "127.0.0.1:1234"),
        ("[::1]:1234", "[::1]:1234"),
        ("0.0.0.0:1234", "0.0.0.0:1234"),
        ("203.0.113.7:1234", None),  # of no machine
        ("nowhere.invalid:1234", None),
    ],
)
def test_coordinator_listens_at_the_address_that_is_named(monkeypatch, coordinator, bound):
    assert distributed.bind_address(coordinator) == bound


def test_name_that_a_machine_gives_its_own_loopback_is_listened_for_everywhere(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.1.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found)
    assert distributed.bind_address("node0:1234") is None
