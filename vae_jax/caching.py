"""The cache spares work and is needed for none: where it cannot be written, work goes on without it."""

import contextlib
import os
import sys
from collections.abc import Iterator

from vae_jax.errors import UsageError

TOLD = "VAE_JAX_CACHE_TOLD"  # set once the line was printed: processes that are started from here inherit it


@contextlib.contextmanager
def optional() -> Iterator[None]:
    """Around what writes in the cache: a failure ends the body, and is told in one line, once."""
    try:
        yield
    except (OSError, UsageError) as error:
        if TOLD not in os.environ:
            os.environ[TOLD] = "1"
            print(f"warning: {_reason(error)}; {WAY_OUT}", file=sys.stderr)


WAY_OUT = (
    "prepared data and compiled programs are made anew every time: set VAE_JAX_CACHE to a folder that can "
    "be written"
)


def _reason(error: OSError | UsageError) -> str:
    if isinstance(error, UsageError):
        return str(error)
    return f"cannot write '{error.filename}': {error.strerror}" if error.filename else str(error)
