import io
import os
import subprocess
import sys
import threading

import pytest
from rich.text import Text

from tests.conftest import REPOSITORY
from vae_jax import streams
from vae_jax.streams import printable

EVIL = "\x1b[2J\x1b]8;;http://evil\x07name\x9b31m\u202e\r\x00"


def stream(encoding="utf-8"):
    """A Stream and the bytes that have come out of it."""
    streams.set_up()
    out = io.BytesIO()
    return streams.Stream(out, encoding=encoding, errors=streams.ERRORS, newline="\n"), out


def written(text, encoding="utf-8"):
    to, out = stream(encoding)
    print(text, file=to, flush=True)
    return out.getvalue()


def test_text_that_can_be_seen_stays_as_it_is():
    text = "mean ± 95%\tσ ≤ ‖x‖ − 日本\n"
    assert written(text) == f"{text}\n".encode()
    assert printable("σ ≤ ‖x‖ − 日本") == "σ ≤ ‖x‖ − 日本"


def test_what_would_move_the_cursor_is_shown_as_an_escape():
    out = written(EVIL).decode()
    assert out == r"\x1b[2J\x1b]8;;http://evil\x07name\x9b31m\u202e\r\x00" + "\n"
    assert printable("a\nb\tc") == r"a\nb\tc"


def test_name_that_is_not_utf8_is_shown():
    assert written("runs\udcff") == b"runs\\udcff\n"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", "-log p +- sigma || \\u65e5"), ("latin-1", "-log p ± sigma || \\u65e5")],
)
def test_letter_that_the_encoding_lacks_is_written_in_ascii(encoding, expected):
    assert written("−log p ± σ ‖ 日", encoding).decode(encoding) == f"{expected}\n"


def test_rich_keeps_its_colours_and_no_text_adds_any(monkeypatch):
    to, out = stream()
    monkeypatch.setattr(sys, "stdout", to)
    streams.console(force_terminal=True, width=200, color_system="standard").print(
        Text("red ", "red") + Text(EVIL)
    )
    to.flush()
    told = out.getvalue().decode()
    assert "\x1b[31mred" in told
    assert "\x1b]8" not in told
    assert not {"\x9b", "\u202e", "\x00", "\x07"} & set(told)


def test_what_stands_in_the_place_of_standard_output_stays(monkeypatch):
    captured = io.StringIO()
    monkeypatch.setattr(sys, "stdout", captured)
    streams.set_up()
    assert sys.stdout is captured


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_line_on_standard_error_is_out_at_once(unbuffered):
    code = "import sys; from vae_jax import streams; streams.set_up(); print('now', file=sys.stderr); input()"
    pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, **pipes) as process:
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        assert process.stderr.readline() == b"now\n"  # nothing, where it came at the end alone
        assert process.poll() is None
        watchdog.cancel()
        process.communicate(b"\n")
