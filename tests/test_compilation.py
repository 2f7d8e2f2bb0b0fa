import subprocess
import sys

import jax
import pytest

from tests.conftest import REPOSITORY
from vae_jax.compilation import enable_cache

NAMES = [
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
]


@pytest.fixture
def jax_defaults():
    """JAX's own settings; afterwards those that were there."""
    before = {name: getattr(jax.config, name) for name in NAMES}
    for name, value in zip(NAMES, (None, 1.0, 0), strict=True):
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_the_cache_of_vae_jax(jax_defaults, monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))
    enable_cache()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "xla")


def test_folder_that_the_user_chose_through_jax_stays(jax_defaults, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    enable_cache()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)


@pytest.mark.slow
def test_second_process_compiles_nothing_whatever_its_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    config = f"--config={REPOSITORY}/configs/ae.py:smoke,linear"
    argv = [sys.executable, "-m", "experiments.train", config, f"--workdir={tmp_path / 'runs'}"]
    numbers = ["--config.seed=7", "--config.learning_rate=0.01", "--config.num_epochs=3"]

    def programs_after(*flags):
        subprocess.run([*argv, *flags], cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
        return {path.name for path in (tmp_path / "cache" / "xla").iterdir() if path.name.endswith("-cache")}

    cold = programs_after()
    assert any("advance" in name for name in cold)
    assert programs_after(*numbers) == cold
    assert programs_after("--config.latent_size=3") > cold  # other shapes are other programs
    assert len(list((tmp_path / "runs").iterdir())) == 3


PROGRAM = """
import jax
from vae_jax.compilation import enable_cache

enable_cache()

@jax.jit
def program(x):
    return x + 1

print(program(1.0))
"""


def test_program_cut_short_by_a_kill_is_written_again(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))

    def run():
        done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")

    run()
    (entry,) = (tmp_path / "xla").glob("jit_program-*-cache")
    entry.write_bytes(entry.read_bytes()[:100])
    run()
    assert len(entry.read_bytes()) > 100
    before = entry.stat().st_mtime_ns
    run()
    assert entry.stat().st_mtime_ns == before
