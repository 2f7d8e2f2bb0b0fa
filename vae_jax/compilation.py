"""How programs are compiled: once per machine, not per process, and on a GPU without a long search.

And how many a process keeps: JAX itself would keep them all, some 100 MB for each shape of a model.
"""

import contextlib
import ctypes
import gc
import importlib.util
import os
import pathlib
import re
import threading
import warnings
from collections import Counter
from collections.abc import Hashable, Iterator

import jax
from jax.extend.backend import clear_backends

from vae_jax import caching
from vae_jax.errors import UsageError
from vae_jax.paths import cache_dir, make_dir

# On an H200 an epoch of the 784-500-20-500-784 VAE compiles in 3 s instead of 17, and 8 runs together
# in 4 instead of 22; both are as fast: cuBLAS does the products.
NO_TRITON = "--xla_gpu_enable_triton_gemm=false"
CUDA_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
# Shapes whose programs are kept, beside those that train and as many that did. To forget and to load
# again what all shapes share costs 1.6 s of a core; to compile the programs of a shape, 15.
KEPT = 5


def set_up() -> None:
    """Says how this process, and those that it starts, compile; before JAX's first computation.

    Turns the persistent cache on, unless the user chose a folder through JAX's own variable. A GPU's
    memory is taken as it is needed, because other processes may share it, and Triton does not try
    its ways of each product, unless the user says otherwise in JAX's variable or XLA_FLAGS.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if any(map(importlib.util.find_spec, CUDA_PLUGINS)):
        os.environ["XLA_FLAGS"] = _without_triton(os.environ.get("XLA_FLAGS", ""))
    _enable_cache()


def check_devices() -> None:
    """Raises UsageError where JAX_PLATFORMS names a kind of device that is not here.

    Looks only where it names any but the CPU, because on a GPU looking takes a second.
    """
    named = jax.config.jax_platforms
    if not named or named == "cpu":
        return
    try:
        jax.devices()
    except Exception:  # of many kinds, AssertionError among them
        there = " and ".join(_platforms())
        raise UsageError(
            f"JAX_PLATFORMS={named}: no such device here; there is {there}: unset it, or JAX_PLATFORMS=cpu"
        ) from None


def _platforms() -> list[str]:
    """Returns the kinds of device that JAX would find by itself, the best first."""
    named = jax.config.jax_platforms
    jax.config.update("jax_platforms", None)
    try:
        clear_backends()
        return list(dict.fromkeys([jax.devices()[0].platform, "cpu"]))
    finally:
        jax.config.update("jax_platforms", named)
        clear_backends()  # the next to ask must not be given what was only looked at here


class Shapes:
    """The shapes whose programs this process has.

    JAX can forget all programs or none. Those that are needed again come from the persistent cache.
    """

    def __init__(self):
        self._kept: set[Hashable] = set()
        self._in_use, self._lock = Counter(), threading.Lock()

    @contextlib.contextmanager
    def using(self, shape: Hashable) -> Iterator[None]:
        """Says that programs of `shape` run as long as this lasts; makes room for them before."""
        self.note(shape)
        with self._lock:
            self._in_use[shape] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_use[shape] -= 1
                self._in_use += Counter()  # without those that nobody uses

    def note(self, shape: Hashable) -> None:
        """Says that programs of `shape` are about to run; makes room for them."""
        with self._lock:
            if shape not in self._kept and len(self._kept) >= KEPT + 2 * len(self._in_use):
                forget()
                self._kept = set(self._in_use)
            self._kept.add(shape)


shapes = Shapes()


def forget() -> None:
    """Forgets all programs, and gives their memory back. Threads that run one run it to its end."""
    jax.clear_caches()
    gc.collect()
    with contextlib.suppress(AttributeError):  # glibc alone has it; else it keeps what was freed
        ctypes.CDLL(None).malloc_trim(0)


def _without_triton(flags: str) -> str:
    said = "xla_gpu_enable_triton_gemm" in flags
    names_a_file = flags and not flags.startswith("-")
    return flags if said or names_a_file else f"{flags} {NO_TRITON}".strip()


def _enable_cache() -> None:
    if jax.config.jax_compilation_cache_dir is None:
        with caching.optional():
            jax.config.update("jax_compilation_cache_dir", str(make_dir(cache_dir() / "xla")))
    if jax.config.jax_compilation_cache_dir is None:
        return
    # The programs here are small: without these two JAX would leave most of them out.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _replace_what_a_kill_cut_short(pathlib.Path(jax.config.jax_compilation_cache_dir))


def _replace_what_a_kill_cut_short(folder: pathlib.Path) -> None:
    """Deletes a program that cannot be read: JAX warns of it every time and never writes it anew."""
    show = warnings.showwarning

    def delete_or_show(message, *arguments, **options):
        unreadable = re.match(r"Error reading persistent compilation cache entry for '([^']+)'", str(message))
        if not unreadable:
            return show(message, *arguments, **options)
        for entry in folder.glob(f"{unreadable[1]}-*"):
            entry.unlink(missing_ok=True)

    warnings.showwarning = delete_or_show
