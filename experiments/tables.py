"""Tables as text: the content of a CSV file that a spreadsheet takes for no program."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Returns rows as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode(errors="backslashreplace").decode()  # half a letter, from a name or JSON


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would compute gets an apostrophe, which says there that it is text."""
    if isinstance(value, str) and len(value) > 1 and value.startswith(FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
