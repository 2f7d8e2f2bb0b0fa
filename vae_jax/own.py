"""The user's own files: imported by path, remembered, and found again for the runs made with them.

A config file registers data sets, nets or metrics of the user's own when it is imported. A run
made with them holds the digests of their code (`identity`), never the code. Which file has it is
remembered in the user's own cache folder, and there alone: a work directory from somebody else can
name no file to be imported.

<cache>/own/<digest>.json    {"name": what has the digest, "files": {path: [sha256 when it was imported]}}
"""

import hashlib
import importlib.util
import json
import pathlib
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import NamedTuple

from vae_jax import caching
from vae_jax.errors import UsageError
from vae_jax.paths import cache_dir, make_dir, write_whole


class Loaded(NamedTuple):
    """A file as it was imported."""

    module: ModuleType
    sha256: str


LOADED: dict[pathlib.Path, Loaded] = {}


def load(path: pathlib.Path) -> ModuleType:
    """Imports a Python file, once while it stays the same; files in its folder can be imported by name.

    Raises:
      UsageError: no such file, no Python file, or whatever goes wrong in it, in one line.
    """
    path = path.absolute()
    if not path.is_file():
        raise UsageError(f"no such file: '{path}'")
    sha256 = _sha256(path)
    if path not in LOADED or LOADED[path].sha256 != sha256:
        LOADED[path] = Loaded(_imported(path), sha256)
    return LOADED[path].module


def _imported(path: pathlib.Path) -> ModuleType:
    name = f"{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise UsageError(f"config file '{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    sys.modules[name] = module  # dataclasses look their module up there
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"config file '{path}': {said(error)}") from None
    finally:
        sys.path.remove(folder)
        sys.path.append(folder)  # for imports inside functions; installed packages come first
    return module


def said(error: BaseException) -> str:
    """Returns what went wrong in the user's own code; `sys.exit` there must not end a command."""
    called_exit = " (it called sys.exit)" if isinstance(error, SystemExit) else ""
    return f"{type(error).__name__}: {error}{called_exit}"


def remember(names: Mapping[str, str]) -> None:
    """Notes in the user's cache which files were imported when things with these digests were there.

    Args:
      names: what has a digest, by digest.
    """
    with caching.optional():
        for digest, name in names.items() if LOADED else ():
            path, files = make_dir(cache_dir() / "own") / f"{digest}.json", _remembered(digest)
            now = {str(path): loaded.sha256 for path, loaded in LOADED.items()}
            if any(sha256 not in files.get(file, []) for file, sha256 in now.items()):
                files |= {file: sorted({*files.get(file, []), sha256}) for file, sha256 in now.items()}
                write_whole(path, json.dumps({"name": name, "files": files}, sort_keys=True))


def find(digests: Iterable[str]) -> None:
    """Imports a file that is remembered for all of these digests that are known, as it then was.

    Raises:
      UsageError: all such files are gone, or are not as they were.
    """
    known = [files for digest in digests if (files := _remembered(digest))]
    names = set.intersection(*(set(files) for files in known)) if known else set()
    for name in sorted(names):
        path = pathlib.Path(name)
        if path.is_file() and all(_sha256(path) in files[name] for files in known):
            LOADED.pop(path, None)  # another file may have put its own parts under the same names since
            load(path)
            return
    if names and not any(pathlib.Path(name) in LOADED for name in names):
        raise UsageError(_lost(pathlib.Path(min(names))))


def _lost(path: pathlib.Path) -> str:
    if not path.is_file():
        return f"'{path}', which the run was made with, is gone"
    way_out = f"--import={path} in a command, vae_jax.own.load(path) in Python"
    return f"'{path}' has changed since the run was made; if its parts are still the same: {way_out}"


def _remembered(digest: str) -> dict[str, list[str]]:
    path = cache_dir() / "own" / f"{digest}.json"
    try:
        return {str(name): list(sha256s) for name, sha256s in json.loads(path.read_text())["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
