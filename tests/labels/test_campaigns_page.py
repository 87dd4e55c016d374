"""The commands of docs/campaigns.md, in order, while three raters and an adjudicator do their part."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from label_studio_fake import TOKEN, Fake, fake_label_studio
from typer.testing import CliRunner

from cli import app
from grader.rubrics import load_rubrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "campaigns.md").read_text(encoding="utf-8")
HARMS = tuple(load_rubrics())
RATERS = {"ana": 2, "bo": 3, "cy": 4}
OWNER = 1


def commands() -> list[list[str]]:
    lines = [line for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line.removeprefix("$ "))[1:] for line in lines if line.startswith("$ ")]


def everybody_works(fake: Fake) -> None:
    """Raters answer what is theirs and open, one in seven otherwise than the others; the owner decides."""
    for number, task in fake.tasks.items():
        data = task["data"]
        mine = [OWNER] if data["purpose"] == "adjudication" else [RATERS[n] for n in data.get("raters", ["ana", "bo"])]
        for rater in () if task["annotations"] else mine:
            wrong = rater != OWNER and (number + rater) % 7 == 0
            fake.annotate(number, rater, dict.fromkeys(HARMS, "yes" if (number % 5 == 0) != wrong else "no"))


def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").symlink_to(ROOT / "examples" / "study")
    grade = "grade study/transcripts.jsonl --judge simulated-judge --replies study/replies.jsonl --out verdicts.parquet"
    shown = commands()
    assert {words[1] for words in shown if words[0] == "labels"} == {
        "sample", "push", "pull", "status", "adjudicate", "import",
    }  # fmt: skip
    said = []
    with fake_label_studio() as fake:
        monkeypatch.setenv("LABEL_STUDIO_URL", fake.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
        for words in (shlex.split(grade), *shown):
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, (words, result.stderr, result.exception)
            said.append(result.stderr)
            everybody_works(fake)
    assert len(fake.projects) == 1
    adjudicated = next(line for line in said if "to adjudicate" in line)
    assert int(re.findall(r"to adjudicate: (\d+) tasks added", adjudicated)[0]) > 5


def test_what_the_page_says_of_trouble_is_what_is_said() -> None:
    """The messages in the table are in the code, word for word."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "labels" / "label_studio").glob("*.py"))
    for words in (
        "the token was rejected; take a new one",
        "may not do this",
        "there is no such project; was it deleted?",
    ):
        assert words in code and words in PAGE
