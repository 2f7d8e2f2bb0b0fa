import importlib.util
import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import pytest

from tests.conftest import REPOSITORY
from vae_jax import caching, compilation
from vae_jax.compilation import NO_TRITON, set_up

PRECISION = "JAX_DEFAULT_MATMUL_PRECISION"
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
    set_up()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "xla")


def test_programs_are_not_kept_where_the_cache_cannot_be_written(jax_defaults, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv(caching.TOLD, "")  # so that it is taken back
    monkeypatch.delenv(caching.TOLD)
    set_up()
    set_up()
    assert jax.config.jax_compilation_cache_dir is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: cannot create directory '{tmp_path / 'file' / 'xla'}': Not a directory")
    assert "set VAE_JAX_CACHE" in line


def test_folder_that_the_user_chose_through_jax_stays(jax_defaults, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    set_up()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)


@pytest.mark.parametrize(
    ("plugin", "given", "then"),
    [
        (None, None, None),
        ("jax_cuda13_plugin", None, NO_TRITON),
        ("jax_cuda12_plugin", "--xla_dump_to=dump", f"--xla_dump_to=dump {NO_TRITON}"),
        ("jax_cuda13_plugin", "--xla_gpu_enable_triton_gemm=true", "--xla_gpu_enable_triton_gemm=true"),
        ("jax_cuda13_plugin", "flags.txt", "flags.txt"),
    ],
)
def test_products_of_a_gpu_are_left_to_cublas_unless_the_user_says_otherwise(
    jax_defaults, monkeypatch, plugin, given, then
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == plugin or None)
    monkeypatch.setenv("XLA_FLAGS", given or "")
    if given is None:
        monkeypatch.delenv("XLA_FLAGS")
    set_up()
    set_up()  # worker and launcher both do
    assert os.environ.get("XLA_FLAGS") == then


def test_xla_knows_the_flag(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", NO_TRITON)  # an unknown one ends the process
    program = "import jax; print(jax.numpy.ones(2).sum())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "2.0\n")


@pytest.mark.parametrize(("given", "then"), [(None, "highest"), ("tensorfloat32", "tensorfloat32")])
@pytest.mark.parametrize("imports", ["jax, vae_jax", "vae_jax, jax"])
def test_products_keep_all_digits_unless_the_user_says_otherwise(monkeypatch, imports, given, then):
    monkeypatch.delenv(PRECISION, raising=False)
    if given:
        monkeypatch.setenv(PRECISION, given)
    program = f"import {imports}; print(jax.config.jax_default_matmul_precision)"
    told = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert told.stdout.strip() == then


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
from vae_jax.compilation import set_up

set_up()

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


@jax.jit
def doubled(x):
    return 2 * x


def test_programs_of_few_shapes_are_kept():
    shapes, sizes = compilation.Shapes(), []
    doubled.clear_cache()
    for size in range(1, 4 * compilation.KEPT):
        with shapes.using(size):
            doubled(jnp.ones(size))
        sizes.append(doubled._cache_size())
    assert max(sizes) == compilation.KEPT


def test_programs_in_use_and_those_that_were_are_no_reason_to_forget(monkeypatch):
    forgotten = []
    monkeypatch.setattr(compilation, "KEPT", 3)
    monkeypatch.setattr(compilation, "forget", lambda: forgotten.append(True))
    shapes = compilation.Shapes()
    with shapes.using("a"), shapes.using("b"):
        for number in range(compilation.KEPT + 2):
            shapes.note(number)
            shapes.note("a")
        assert not forgotten
        shapes.note("one more")
    assert len(forgotten) == 1
    shapes.note("b")
    assert len(forgotten) == 1
    shapes.note("the last")
    assert len(forgotten) == 2


def test_threads_compute_on_while_programs_are_forgotten():
    over, results = threading.Event(), []

    def work():
        while not over.is_set():
            results.append(float(doubled(jnp.ones(3)).sum()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        compilation.forget()
    over.set()
    for thread in threads:
        thread.join()
    assert set(results) == {6.0}
