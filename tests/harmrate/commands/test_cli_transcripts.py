"""``harmrate transcripts``: what was read, before anything is paid for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "model": "m"}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    lines = [CHAT | {"id": "a"}, {"id": "b", "prompt": "q", "response": None}, {"id": "c", "messages": 3}]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_counts_failures_and_notes_are_shown(runs: Path) -> None:
    result = CliRunner().invoke(app, ["transcripts", str(runs), "--json"])
    assert result.exit_code == 0, result.stderr
    read = json.loads(result.stdout)
    assert (read["n_transcripts"], read["n_without_the_agent"], read["ids"]) == (3, 2, ["a", "b", "c"])
    assert read["ledger"] == {"read": 3, "used": 2, "not_used": {"unreadable record": 1}}
    assert read["messages"] == {"user text": 2, "assistant text": 1} and len(read["notes"]) == 1
    text = CliRunner().invoke(app, ["transcripts", str(runs)]).stdout
    assert "3 transcripts, 1 of them with words of the agent" in text and "models: m (1)" in text


def test_one_is_shown_as_a_judge_would_see_it(runs: Path) -> None:
    shown = CliRunner().invoke(app, ["transcripts", str(runs), "--show", "a"]).stdout
    assert "AGENT UNDER TEST, said]\nHello" in shown
    assert "cannot_assess" in CliRunner().invoke(app, ["transcripts", str(runs), "--show", "b"]).stdout
    missing = CliRunner().invoke(app, ["transcripts", str(runs), "--show", "z"])
    assert missing.exit_code == 2 and "no transcript has the id 'z'" in missing.stderr


def test_strict_stops_at_the_first_note(runs: Path) -> None:
    result = CliRunner().invoke(app, ["transcripts", str(runs), "--strict"])
    assert result.exit_code == 2 and "line 3: messages: is not a list" in result.stderr
