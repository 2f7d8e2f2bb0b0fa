"""The digest of the code that defines a part: what tells an edited net from the one before.

It covers the source of the part itself and of everything from the user's own files that the source
names: base classes, helper functions, constants, whole modules. Installed packages and this one are
left out: their versions stand in a result.
"""

import ast
import functools
import hashlib
import inspect
import pathlib
import re
import sys
import sysconfig
import textwrap
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from vae_jax.errors import UsageError

PACKAGE = pathlib.Path(__file__).parent
STANDARD_LIBRARY = pathlib.Path(sysconfig.get_paths()["stdlib"])
INSTALLED = {"site-packages", "dist-packages"}
Seen = dict[int, Any]
PLAIN = (bool, int, float, complex, str, bytes, type(None), range)


def is_own(part: Any) -> bool:
    """Whether any code that makes `part` is from outside this package and the installed ones."""
    return any(True for _ in _own(part, {}))


def digest(part: Any) -> str:
    """Returns the digest of all own code behind `part`; 16 hexadecimal digits.

    Raises:
      UsageError: code without a source file, as from `python -c`.
    """
    found = hashlib.sha256()
    for text in _own(part, {}):
        found.update(f"{len(text)}:{text}".encode())
    return found.hexdigest()[:16]


def _own(value: Any, seen: Seen) -> Iterator[str]:
    """Yields the texts that define `value`, as far as they are the user's own."""
    if id(value) in seen or isinstance(value, PLAIN):
        return
    seen[id(value)] = value  # kept alive: no other value then gets this number
    if isinstance(value, ModuleType):
        if _is_own_file(getattr(value, "__file__", None)):
            yield pathlib.Path(value.__file__).read_text()
    elif isinstance(value, functools.partial):
        yield from _own_and_arguments(value.func, [*value.args, *value.keywords.items()], seen)
    elif isinstance(value, tuple | list):
        yield from _all(value, seen)
    elif isinstance(value, Mapping):
        yield from _all([*value.keys(), *value.values()], seen)
    elif hasattr(value, "__wrapped__"):  # by functools.wraps or jax.jit: a wrapper is code as well
        yield from _definition(value, seen) if isinstance(value, FunctionType) else ()
        yield from _own(value.__wrapped__, seen)
    elif isinstance(value, type | FunctionType):
        yield from _definition(value, seen)
    else:
        yield from _own_and_arguments(type(value), sorted(_attributes(value).items()), seen)


def _all(values: Any, seen: Seen) -> Iterator[str]:
    for value in values:
        yield from _own(value, seen)


def _own_and_arguments(function: Any, arguments: list[Any], seen: Seen) -> Iterator[str]:
    """What an own function was given is part of what it does; of others only own code counts."""
    own = list(_own(function, seen))
    yield from own
    yield from _with_values(arguments, bool(own), seen)


def _with_values(values: Any, count_plain: bool, seen: Seen) -> Iterator[str]:
    if count_plain:
        yield from map(_plain_text, values)
    yield from _all(values, seen)


def _attributes(value: Any) -> dict[str, Any]:
    return getattr(value, "__dict__", {})


def _definition(value: type | FunctionType, seen: Seen) -> Iterator[str]:
    if not _is_own_file(_file(value)):
        if isinstance(value, FunctionType):  # a function of a package can hold one of the user's
            yield from _all(_held(value).values(), seen)
        return
    source = _source(value)
    yield source
    held = _held(value) if isinstance(value, FunctionType) else {}
    names = _names(source)
    known = {name: space[name] for space in (_globals(value), held) for name in names & space.keys()}
    known |= held
    yield from _with_values([known[name] for name in sorted(known)], True, seen)
    yield from _all(value.__mro__[1:] if isinstance(value, type) else (), seen)


def _held(function: FunctionType) -> dict[str, Any]:
    """Returns the values that a function has closed over, and its defaults."""
    cells = function.__closure__ or ()
    held = {
        name: cell.cell_contents
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True)
        if cell != type(cell)()  # not filled yet
    }
    defaults = {"<defaults>": function.__defaults__, "<keywords>": function.__kwdefaults__}
    return held | {name: value for name, value in defaults.items() if value}


def _globals(value: type | FunctionType) -> dict[str, Any]:
    module = sys.modules.get(value.__module__)
    return value.__globals__ if isinstance(value, FunctionType) else vars(module) if module else {}


@functools.cache
def _names(source: str) -> set[str]:
    """Returns the names that a definition uses; all names where it is cut out of an expression."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a lambda: its line may begin in the middle of a statement
        return set(re.findall(r"\w+", source))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@functools.cache
def _source(value: type | FunctionType) -> str:
    try:
        code = value.__code__ if isinstance(value, FunctionType) else value  # not what it wraps
        return textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):
        name = getattr(value, "__qualname__", value)
        raise UsageError(
            f"{name} has no source file, so no run can be named by it: put it in a file"
        ) from None


def _plain_text(value: Any) -> str:
    """Returns the text of numbers, arrays and what holds them; the type of everything else."""
    if isinstance(value, tuple | list):
        return f"[{','.join(map(_plain_text, value))}]"
    if isinstance(value, Mapping):
        return _plain_text(sorted(value.items(), key=repr))
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha256(np.ascontiguousarray(value)).hexdigest()}"
    return repr(value) if isinstance(value, PLAIN) else type(value).__qualname__


def _file(value: type | FunctionType) -> str | None:
    if isinstance(value, FunctionType):
        return value.__code__.co_filename
    return getattr(sys.modules.get(value.__module__), "__file__", None)


@functools.cache
def _is_own_file(name: str | None) -> bool:
    """Whether a file is the user's: not of this package, the standard library or an installed package."""
    if name is None or name.startswith("<frozen"):
        return False
    path = pathlib.Path(name)
    inside = PACKAGE in path.parents or STANDARD_LIBRARY in path.parents
    return not inside and not INSTALLED & set(path.parts)
