"""Standard output and error that no text, no encoding and no reader can harm.

Names, values and error texts may come from other people's work directories: what would move the cursor,
change colours or reverse the order of letters is shown as an escape. A letter that the encoding lacks is
written in ASCII. Where the reader of a pipe has left, the rest goes nowhere and the work goes on.
"""

import codecs
import io
import os
import re
import sys
from typing import Any, TextIO

ERRORS = "vae_jax.in_ascii"  # the name by which Python finds `_in_ascii`
IN_ASCII = {
    **{"−": "-", "–": "-", "±": "+-", "×": "x", "·": "*", "²": "^2", "³": "^3", "√": "sqrt ", "…": "..."},
    **{"≥": ">=", "≤": "<=", "‖": "||", "α": "alpha", "β": "beta", "ε": "eps", "θ": "theta", "μ": "mu"},
    **{"σ": "sigma", "χ": "chi", "→": "->"},
}
OF_RICH = re.compile(r"(\x1b\[\??[0-9;]*[A-HJKhlm])")  # colours, cursor, erasing; no titles, links, queries


def printable(text: str, keep: str = "") -> str:
    """Returns the text with control characters, and all else that cannot be seen, as escapes but `keep`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def set_up() -> None:
    """Makes a Stream of standard output and error, each unless something else stands there already.

    Where one is closed, it goes nowhere: else the next file to be opened would have its number, and what
    libraries print would be written into that file.
    """
    codecs.register_error(ERRORS, _in_ascii)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one
    for name in ("stdout", "stderr"):
        before = getattr(sys, name)
        if before is getattr(sys, f"__{name}__"):
            setattr(sys, name, _stream(before))


def console(stderr: bool = False, **options: Any) -> Any:
    """Returns a rich Console, whose own colours and moves of the cursor pass."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=_ForRich(stream) if isinstance(stream, Stream) else stream, **options)


class Stream(io.TextIOWrapper):
    """Text on its way out."""

    def write(self, text: str) -> int:
        self._put(printable(text, "\n\t"))
        return len(text)

    def _put(self, text: str) -> None:
        super().write(text)
        if self.write_through:  # as with PYTHONUNBUFFERED, where Python has no buffer below
            self.flush()


class _ForRich:
    """A Stream as rich needs it."""

    def __init__(self, stream: Stream):
        self._stream = stream

    def write(self, text: str) -> int:
        parts = (p if OF_RICH.fullmatch(p) else printable(p, "\n\t\r") for p in OF_RICH.split(text))
        self._stream._put("".join(parts))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _File(io.FileIO):
    """A file that goes nowhere from its first error on, which is raised unless the reader has left."""

    def write(self, content: Any) -> int | None:
        try:
            return super().write(content)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                raise
            return len(content)


def _stream(before: TextIO | None) -> Stream:
    if before is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        return Stream(io.BufferedWriter(_File(nowhere, "wb")), encoding="utf-8", errors=ERRORS)
    before.flush()
    file = io.BufferedWriter(_File(before.fileno(), "wb", closefd=False))
    buffering = {"line_buffering": before.line_buffering, "write_through": before.write_through}
    return Stream(file, encoding=before.encoding, errors=ERRORS, **buffering)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(IN_ASCII.get(letter) or _escaped(letter) for letter in letters), error.end


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
