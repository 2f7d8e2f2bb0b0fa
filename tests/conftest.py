"""Shared by all tests: strict JAX, a cache of their own, and where the original files are."""

import os
import pathlib

import jax
import pytest

from vae_jax.compilation import set_up

REPOSITORY = pathlib.Path(__file__).parent.parent
ORIGINALS = REPOSITORY.parent / "shared" / "data" / "tfds_downloads"

jax.config.update("jax_numpy_rank_promotion", "raise")


QUICK = "JAX_DISABLE_MOST_OPTIMIZATIONS"


def pytest_configure(config):
    """Fast tests compile without the slowest passes, here and in processes started from here.

    Compiling is most of their time. The slow ones run what users run.
    """
    if config.getoption("markexpr") == "not slow":
        os.environ[QUICK] = "1"
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
    set_up()  # many tests compile the same
    return folder


@pytest.fixture(scope="module")
def quick_programs(cache):
    """Compiles a slow test as a fast one: for one that has many programs and asks nothing of them.

    What was compiled otherwise is forgotten: another program of the same function has other last digits.
    """
    before = QUICK in os.environ
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(QUICK, "1")
        jax.config.update("jax_disable_most_optimizations", True)
        jax.clear_caches()
        yield
    jax.config.update("jax_disable_most_optimizations", before)
    jax.clear_caches()


@pytest.fixture(scope="session")
def originals():
    """The folder of original MNIST files; skips the test where there is none."""
    if not ORIGINALS.is_dir():
        pytest.skip(f"the original files of mnist are not at {ORIGINALS}")
    return ORIGINALS
