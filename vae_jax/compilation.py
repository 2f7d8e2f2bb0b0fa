"""JAX's persistent compilation cache: a program is compiled once per machine, not per process."""

import jax

from vae_jax.paths import cache_dir


def enable_cache() -> None:
    """Turns the cache on, unless the user chose a folder through JAX's own variable."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "xla"))
    # The programs here are small: without these two JAX would leave most of them out.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
