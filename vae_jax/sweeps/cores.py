"""Processor cores and GPUs: which there are, and keeping a process to some of them."""

import math
import os
from collections.abc import Sequence

import jax


def cores() -> list[int]:
    """Returns the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))  # macOS


def shares(processes: int) -> list[list[int]]:
    """Returns the cores of each of so many processes: an equal share, at least one."""
    every = cores()
    return [every[i::processes] or [every[i % len(every)]] for i in range(processes)]


def gpus() -> int:
    """Returns how many GPUs JAX computes on here."""
    return sum(device.platform == "gpu" for device in jax.local_devices())


def most() -> int:
    """Returns how many processes there is room for: one for each GPU, else one for each core."""
    return gpus() or len(cores())


def threads() -> int:
    """Returns how many populations one process trains at the same time."""
    return 1 if gpus() else len(cores())


def sharers(slots: int) -> int:
    """Returns how many of so many populations at once share the memory of one device, or of this machine."""
    return math.ceil(slots / gpus()) if gpus() else min(slots, threads())


def environments(processes: int) -> list[dict[str, str]]:
    """Returns what tells each of so many processes its GPU; they share where there are fewer.

    Of the GPUs that this process may see, by their names for it.
    """
    count, seen = gpus(), os.environ.get("CUDA_VISIBLE_DEVICES")
    names = seen.split(",") if seen else [str(number) for number in range(count)]
    return [{"CUDA_VISIBLE_DEVICES": names[i % count]} if count else {} for i in range(processes)]


def pin(own: Sequence[int]) -> None:
    """Keeps this process to some cores; before JAX's first computation, which counts its threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, own)


def as_text(own: Sequence[int]) -> str:
    return ",".join(map(str, own))


def from_text(text: str) -> list[int]:
    return [int(core) for core in text.split(",")]
