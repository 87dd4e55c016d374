"""Text from files must not command the terminal of whoever reads a message about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_output import harmless, note, say

HOSTILE = "t\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\x08\x00"


@pytest.mark.parametrize("tell", [say, note])
def test_escape_sequences_reach_no_terminal(tell, capsys):
    tell(HOSTILE)
    told = capsys.readouterr().err
    assert told.endswith("\n") and told[:-1].isprintable()
    assert "owned" in told


@given(st.text())
def test_only_breaks_and_printable_marks_are_left(text):
    assert not set(harmless(text)) & {
        *map(chr, range(9)),
        *map(chr, range(11, 32)),
        *map(chr, range(127, 160)),
        "\u202e",
    }


@given(st.text(alphabet=st.characters(exclude_categories=["C"])))
def test_ordinary_text_is_left_alone(text):
    assert harmless(text) == text
