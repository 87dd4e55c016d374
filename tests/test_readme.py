"""What the README shows is what the commands print; what it promises of the demonstration is so."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shown(name: str) -> str:
    (text,) = re.findall(
        rf"<!-- {name} output: begin -->\n```text\n(.*?)```\n<!-- {name} output: end -->", README, re.DOTALL
    )
    return tidy(text)


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.fixture
def demo(demonstration):
    return demonstration[0], tidy(demonstration[1])


def test_the_demonstration_prints_what_the_readme_shows(demo):
    assert demo[1] == shown("demo")


def test_redrawn_labels_hold_the_true_rates(demo):
    """At least 185 of 200 for every arm: the promise of the demonstration."""
    rows = [line.split("│")[1:-1] for line in demo[1].splitlines() if line.startswith("│")]
    held = {(row[0].strip(), row[1].strip()): int(row[-1]) for row in rows}
    assert len(held) == 9
    assert min(held.values()) >= 185, held


def test_the_python_block_prints_what_the_readme_shows(demo, monkeypatch):
    monkeypatch.chdir(demo[0])
    (code,) = blocks("python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert tidy(printed.getvalue()) == shown("python")
    assert (demo[0] / "my-report" / "report.html").is_file()


def test_the_commands_answer(demo, monkeypatch):
    monkeypatch.chdir(demo[0])
    lines = [line for block in blocks("console") for line in block.splitlines() if "harmrate-demo/" in line]
    assert len(lines) == 3
    for line in lines:
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, result.stderr
        assert "blackmail" in result.stdout


def test_every_command_it_names_exists():
    named = set(re.findall(r"^harmrate ([a-z]+)", "\n".join(blocks("console")), re.MULTILINE))
    assert named == {"rate", "compare", "agreement", "grade", "labels", "run", "transcripts"}
    for command in named:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
