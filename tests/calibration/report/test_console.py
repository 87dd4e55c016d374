"""Tables on a terminal of any width: every cell can be read."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from calibration.report.console import print_table

COLUMNS = ("harm", "group", "rate", "interval", "")
ROWS = [
    ("deception", "model=provider/a-model-with-a-long-name", "43.2 %", "32-59.6 %", "fewest"),
    ("deception", "model=provider/another-model", "3 %", "0.46-9.4 %", ""),
]


def printed(width: int, rows: list[tuple[str, ...]]) -> str:
    screen = io.StringIO()
    print_table(Console(file=screen, width=width), "Harm rates", COLUMNS, rows)
    return screen.getvalue()


@pytest.mark.parametrize("width", [30, 50, 80, 160])
def test_no_cell_is_cut(width: int) -> None:
    shown = printed(width, ROWS)
    assert "…" not in shown and max(map(len, shown.splitlines())) <= width
    running = "".join(shown.split())  # a name that is wider than the terminal goes on in the next line
    for cell in (cell for row in ROWS for cell in row):
        assert "".join(cell.split()) in running


def test_a_narrow_terminal_gets_a_list_under_what_tells_rows_apart() -> None:
    lines = [line.rstrip() for line in printed(60, ROWS).splitlines()]
    assert lines == [
        "Harm rates",
        "deception, model=provider/a-model-with-a-long-name",
        "  rate 43.2 %; interval 32-59.6 %; fewest",
        "deception, model=provider/another-model",
        "  rate 3 %; interval 0.46-9.4 %",
    ]
    assert "┃ harm" in printed(160, ROWS)
    assert "Harm rates" in printed(20, [])


def test_a_cell_left_empty_in_front_is_the_one_above_and_a_number_says_what_it_counts() -> None:
    screen = io.StringIO()
    rows = [("leaking", "flagged", "anybody", "60"), ("", "", "2", "59"), ("", "not flagged", "anybody", "88")]
    print_table(Console(file=screen, width=20), "Labels", ("harm", "stratum", "rater", "labelled"), rows)
    told = " ".join(screen.getvalue().split())
    assert "leaking, flagged, rater 2 labelled 59" in told and "leaking, not flagged, anybody labelled 88" in told
