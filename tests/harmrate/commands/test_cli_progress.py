"""What a person sees while a judge grades: how much is done, what failed, what it cost, how long it takes still."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from judge_helpers import answer, transcript
from messages_server import MessagesServer, faulty_share
from typer.testing import CliRunner

from calibration.study.inputs import Sources
from cli import app
from grader.progress import Meter, track_task
from harmrate.commands.output import metered, track

N = 40


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """Every line that was ever drawn, without what commands the terminal."""
        return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue()))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 140 columns; what runs inside ``redirect_stderr`` of it draws on it."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    return Terminal()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.delenv("HARMRATE_STORE", raising=False)
    Path("runs.jsonl").write_text("".join(json.dumps(transcript(i).to_dict()) + "\n" for i in range(N)))
    with MessagesServer(answer) as running:
        yield running


def grade(server: MessagesServer, terminal: Terminal, *options: str, before: tuple[str, ...] = ()) -> None:
    command = [*before, "grade", "runs.jsonl", "--base-url", server.base_url, "--out", "v.jsonl", *options]
    with redirect_stderr(terminal):
        app(command, standalone_mode=False)


def test_grading_shows_work_failures_and_money(server: MessagesServer, terminal: Terminal) -> None:
    server.faults = faulty_share(0.3, kinds=["bad_request"], seed=1)
    grade(server, terminal, "--max-cost", "20", "--harm", "blackmail")
    drawn = [line for line in terminal.shown() if "grading" in line]
    last = drawn[-1]
    rows = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
    failed = sum(row["outcome"] == "api_error" for row in rows)
    assert failed and f"{N}/{N}" in last and f"{failed} api error" in last
    (spent,) = re.findall(r"\$(\d+\.\d\d) of \$20\.00", last)
    assert f"cost ${spent} " in terminal.getvalue(), "what was shown is what the summary says"
    assert "left" in last and "/s" in last
    assert any("counting transcripts" in line for line in terminal.shown())
    assert "the same command again asks only for what failed" in terminal.getvalue()
    server.faults, asked = None, len(server.messages)
    grade(server, terminal, "--harm", "blackmail")
    assert len(server.messages) - asked == failed


def test_quiet_and_a_pipe_show_nothing(server: MessagesServer, terminal: Terminal) -> None:
    grade(server, terminal, before=("--quiet",))
    assert terminal.getvalue() == ""
    result = CliRunner().invoke(app, ["grade", "runs.jsonl", "--base-url", server.base_url, "--out", "w.jsonl"])
    assert result.exit_code == 0 and "grading" not in result.stderr


def row(grader: str, harm: str = "h", repeat: int = 0, outcome: str = "scored") -> dict[str, object]:
    return {"grader": grader, "harm": harm, "repeat": repeat, "outcome": outcome}


def test_a_transcript_is_done_when_the_slowest_grader_has_spoken() -> None:
    meter = Meter(lambda: 0.0)
    for said in [row("fast"), row("fast"), row("fast"), row("slow"), row("slow", "g"), row("slow", repeat=1)]:
        meter.enter(said)
    assert meter.done == 1
    meter.enter(row("slow", outcome="refused"))
    assert meter.done == 2 and str(meter) == "$0.00, 1 refused"


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    assert str(Meter(lambda: None, limit=3.0)) == "cost not known of $3.00"


def test_other_work_is_followed_without_money(terminal: Terminal) -> None:
    follow = metered(Meter(lambda: 1.0))
    with redirect_stderr(terminal):
        assert list(follow("abc", "reading", 3)) == ["a", "b", "c"]
    assert any("reading" in line and "3/3" in line for line in terminal.shown()) and "$" not in terminal.getvalue()


def test_work_that_tells_nothing_is_seen_while_it_lasts(terminal: Terminal) -> None:
    def work() -> int:
        time.sleep(0.3)
        return len([line for line in terminal.shown() if "training" in line])

    with redirect_stderr(terminal):
        assert track_task(track, "training", work) > 1, "it was drawn again and again while the work was being done"


def test_work_of_unknown_length_promises_no_end(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        assert list(track([1, 2], "reading")) == [1, 2]
    drawn = [line for line in terminal.shown() if "reading" in line]
    assert drawn and not any("left" in line for line in drawn)


@pytest.mark.parametrize("place", ["-", "s3://bucket/runs/*.jsonl"])
def test_what_is_read_once_or_fetched_is_not_counted_beforehand(place: str) -> None:
    assert Sources(transcripts=("runs.jsonl", place)).count_transcripts() is None


def test_files_are_counted_beforehand(server: MessagesServer) -> None:
    assert Sources(transcripts=("runs.jsonl",)).count_transcripts() == N
