"""Every command that the documentation shows with a `$` runs, page by page, and prints what the page says it prints."""

from __future__ import annotations

import contextlib
import doctest
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["tutorial.md", "own-harms.md", "reviewing-a-grader.md", "report-json.md", "many-machines.md"]


def commands(page: str) -> list[tuple[str, str]]:
    """Each command with the output that follows it in its block, which may be empty."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def own_rubric(folder: Path) -> None:
    """The rubric that own-harms.md shows, where it says that it is."""
    page = (ROOT / "docs" / "own-harms.md").read_text(encoding="utf-8")
    (rubric,) = re.findall(r"```markdown\n(.*?)```", page, re.DOTALL)
    (folder / "rubrics").mkdir()
    (folder / "rubrics" / "reward_tampering.md").write_text(rubric, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands run: the study linked as the tutorial says, the tutorial's verdicts there."""
    place = tmp_path_factory.mktemp("docs")
    (place / "study").symlink_to(ROOT / "examples" / "study")
    own_rubric(place)
    with contextlib.chdir(place):
        result = CliRunner().invoke(app, shlex.split(commands("tutorial.md")[0][0])[1:])
    assert result.exit_code == 0, result.stderr
    return place


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HARMRATE_STORE", raising=False)
    shown = commands(page)
    assert shown
    same = doctest.OutputChecker().check_output
    for command, output in shown:
        program, *arguments = shlex.split(command)
        assert program == "harmrate"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (command, result.stderr, result.exception)
        if output.strip():
            assert same(output.strip(), result.stdout.strip(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE), command


def test_pages_name_only_files_of_the_documentation():
    for page in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\(([\w-]+\.md)\)", page.read_text(encoding="utf-8")):
            assert (ROOT / "docs" / target).is_file(), (page.name, target)


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index", "commands"}
    assert pages <= set(index.split()), pages - set(index.split())
