import csv

import pytest

from experiments.tables import csv_text


@pytest.mark.parametrize("text", ['=HYPERLINK("http://evil")', "+1+cmd", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_compute_is_marked_as_text(text):
    ((cell, _),) = csv.reader(csv_text([[text, 1]]).splitlines(keepends=True))
    assert cell == f"'{text}"
    assert csv_text([[cell, 1]]) == csv_text([[text, 1]])  # once


@pytest.mark.parametrize("value", ["-3.5", "+1e-3", "-inf", -3.5, "-", "relu", "(128, 64)", ""])
def test_numbers_and_plain_text_stay_as_they_are(value):
    ((cell, _),) = csv.reader(csv_text([[value, 1]]).splitlines())
    assert cell == str(value)
