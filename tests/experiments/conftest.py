import os

import jax
import pytest

from vae_jax.compilation import enable_cache

SETTINGS = [
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
]


@pytest.fixture(scope="package", autouse=True)
def shared_programs(cache):
    """What these tests compile in this process, the processes that they start need not compile.

    They are about commands and files: compiling is most of their time, and fast programs are no use.
    """
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    jax.config.update("jax_disable_most_optimizations", True)
    enable_cache()
    yield
    del os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"]
    jax.config.update("jax_disable_most_optimizations", False)
    for name, value in before.items():
        jax.config.update(name, value)
