"""Shared by all tests: strict JAX, a cache of their own, and where the original files are."""

import os
import pathlib

import jax
import pytest

from vae_jax.compilation import enable_cache

REPOSITORY = pathlib.Path(__file__).parent.parent
ORIGINALS = REPOSITORY.parent / "shared" / "data" / "tfds_downloads"

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config):
    """Fast tests compile without the slowest passes, here and in processes started from here.

    Compiling is most of their time. The slow ones run what users run.
    """
    if config.getoption("markexpr") == "not slow":
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Data and compiled programs of this session of tests, away from the user's own.

    The workers of a session share it: what one compiles, the others need not.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    os.environ["VAE_JAX_CACHE"] = str(folder)
    os.environ["TFDS_DATA_DIR"] = str(folder / "tfds")
    enable_cache()  # many tests compile the same
    return folder


@pytest.fixture(scope="module")
def optimized_programs(cache):
    """Programs as users have them, for tests that compute for longer than they compile."""
    quick = jax.config.jax_disable_most_optimizations
    _compile_anew(without_optimizations=False)
    yield
    _compile_anew(without_optimizations=quick)


def _compile_anew(without_optimizations):
    """Forgets what was compiled otherwise: another program of the same function has other last digits."""
    jax.config.update("jax_disable_most_optimizations", without_optimizations)
    jax.clear_caches()


@pytest.fixture(scope="session")
def originals():
    """The folder of original MNIST files; skips the test where there is none."""
    if not ORIGINALS.is_dir():
        pytest.skip(f"the original files of mnist are not at {ORIGINALS}")
    return ORIGINALS
