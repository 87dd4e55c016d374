"""Text from files must not command the terminal of whoever reads a message, a table or data about it."""

from __future__ import annotations

import io
import json
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

import grader.files.terminal as rule
from calibration.report.console import print_line, print_table
from harmrate.commands.output import escape_control_chars, note, say, show, show_json

HOSTILE = "t\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\x08\x00"
# By definition: C0, DEL and C1, what turns the reading direction or hides, lone surrogates, line separators.
COMMANDS = {*map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160))} | set(
    "\u200e\u202e\u2066\u2028\ud800"
)


@pytest.mark.parametrize("tell", [say, note])
def test_escape_sequences_reach_no_terminal(tell, capsys):
    tell(HOSTILE)
    told = capsys.readouterr().err
    assert told.endswith("\n") and told[:-1].isprintable()
    assert "owned" in told


def test_nor_with_data(capsys):
    show(HOSTILE)
    told = capsys.readouterr().out
    assert told[:-1].isprintable() and "owned" in told
    show_json(json.dumps({HOSTILE: [HOSTILE]}, ensure_ascii=False))
    told = capsys.readouterr().out
    assert told[:-1].isprintable() and json.loads(told) == {HOSTILE: [HOSTILE]}


def test_nor_in_a_table():
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=False)
    print_table(console, f"title {HOSTILE} [red]", [f"head {HOSTILE}", "b"], [[HOSTILE, "[link=http://x]y[/link]"]])
    print_line(console, f"{HOSTILE} [bold]")
    told = out.getvalue()
    assert told.replace("\n", "").isprintable()
    assert "[red]" in told and "[link=http://x]" in told and "[bold]" in told  # shown, not obeyed


@given(st.text())
@example("".join(COMMANDS))
def test_only_breaks_and_printable_marks_are_left(text):
    assert not set(escape_control_chars(text)) & COMMANDS
    assert not {c for c in escape_control_chars(text) if category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n", "\t"}
    assert escape_control_chars(text) == rule.escape_control_chars(text)  # the shorter way there changes nothing


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_ordinary_text_is_left_alone(text):
    assert escape_control_chars(text) == text


@given(st.recursive(st.text() | st.integers(), lambda part: st.lists(part) | st.dictionaries(st.text(), part)))
@example({"\U000e0041": "\ud800\x9b"})
def test_json_says_the_same(value):
    told = rule.escape_control_chars_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(told) == value and not set(told) & COMMANDS
