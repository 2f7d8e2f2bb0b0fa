"""JAX's persistent compilation cache: a program is compiled once per machine, not per process."""

import pathlib
import re
import warnings

import jax

from vae_jax.paths import cache_dir


def enable_cache() -> None:
    """Turns the cache on, unless the user chose a folder through JAX's own variable."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "xla"))
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
