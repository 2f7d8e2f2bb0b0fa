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
    """What these tests compile in this process, the processes that they start need not compile."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    enable_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
