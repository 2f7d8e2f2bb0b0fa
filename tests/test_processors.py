"""The tests that compare bits, on processors that this one can play: they must lean on none.

XLA computes with the instructions that it is told of, so that an AVX-512 machine can be an older one.
"""

import os
import platform
import subprocess
import sys

import pytest

from tests.experiments.commands import REPOSITORY

FILES = ("test_pool.py", "test_fit.py")  # the core of it, in two minutes
ON_X86 = platform.machine() in ("x86_64", "AMD64")


@pytest.mark.slow
@pytest.mark.skipif(not ON_X86, reason="only x86 machines have these instructions")
@pytest.mark.parametrize("instructions", ["AVX2", "SSE4_2"])
def test_bits_are_compared_only_where_every_processor_keeps_them(instructions):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa={instructions}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(f"tests/{name}" for name in FILES)],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if "XDIST" not in name} | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
