"""Ctrl-C and SIGTERM: one line, and exit code 130 or 143, whenever they come.

While a command is imported they end it at once: nothing is there to be cleared up. While it runs they
raise, so that it stops its workers. After its end they change nothing: its work is done, and its exit code
is known. Imported before all else, so that nothing heavy stands here.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
Handler = Callable[[int, FrameType | None], None] | signal.Handlers


class Ended(KeyboardInterrupt):
    """A signal came while a command ran; `number` is the signal's."""

    def __init__(self, number: int):
        self.number = number


asked = 0  # the number of the signal that came while the command ran; 0 before


def watch() -> None:
    """From now on a signal ends the process at once; to be called first of all."""
    if sys.unraisablehook is _unraisable:
        return
    _handle(_end_at_once)
    sys.unraisablehook = _unraisable
    atexit.register(_handle, signal.SIG_IGN)  # last: while Python ends, it takes handlers away


def raising() -> None:
    """From now on a signal raises Ended, and a second one ends the process at once."""
    _handle(_raise)


def leave_with(code: int) -> None:
    """From now on a signal ends the process at once with the exit code that it has anyway."""
    _handle(lambda *_: os._exit(code))


def word() -> str:
    """Returns what happened to a command that ends by KeyboardInterrupt."""
    return WORDS[signal.Signals(asked or signal.SIGINT)]


def code() -> int:
    """Returns the exit code of such a command."""
    return 128 + (asked or signal.SIGINT)


def _handle(handler: Handler) -> None:
    for number in WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under `nohup`, or in the background
            signal.signal(number, handler)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, f"error: {WORDS[signal.Signals(number)]}\n".encode())  # print may be half-way itself
    finally:
        os._exit(128 + number)


def _raise(number: int, frame: FrameType | None) -> None:
    global asked
    asked = number
    _handle(_end_at_once)
    raise Ended(number)


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """Python drops what is raised where nobody could catch it, as in __del__; a signal must not be lost."""
    if isinstance(what.exc_value, Ended):
        _end_at_once(what.exc_value.number, None)
    sys.__unraisablehook__(what)
