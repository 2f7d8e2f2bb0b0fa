"""Where things outside the work directory live, and writing files whole or not at all."""

import os
import pathlib

from vae_jax.errors import UsageError


def cache_dir() -> pathlib.Path:
    """Returns the folder of prepared data and compiled programs: $VAE_JAX_CACHE if set."""
    default = pathlib.Path.home() / ".cache" / "vae_jax"
    return pathlib.Path(os.environ.get("VAE_JAX_CACHE") or default)


def write_whole(path: pathlib.Path, content: bytes | str) -> None:
    """Writes `content` beside `path`, syncs it to disk, renames it into place."""
    content = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def make_dir(path: pathlib.Path) -> pathlib.Path:
    """Creates `path`; raises UsageError if it cannot be created or written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create directory '{path}': {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write in directory '{path}'")
    return path
