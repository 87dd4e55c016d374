"""A defect while a judge works ends the process, with its claims given back."""

import os
import subprocess
import sys
from pathlib import Path

from campaign import write_campaign
from judge_helpers import answer
from messages_server import MessagesServer

from grader.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
BROKEN = """
from grader.verdict.read import VerdictWriter
import cli
def broken(self, row):
    raise ZeroDivisionError("a defect")
VerdictWriter.write = broken
cli.main()
"""


def test_a_defect_in_the_writer_ends_in_a_traceback_and_does_not_hang(tmp_path: Path) -> None:
    lines = write_campaign(tmp_path).transcripts.read_text().splitlines(keepends=True)
    (tmp_path / "few.jsonl").write_text("".join(lines[:8]))
    with MessagesServer(answer) as server:
        command = ["grade", "few.jsonl", "--judge", "claude-sonnet-5-5", "--base-url", server.base_url]
        run = subprocess.run(
            [sys.executable, "-c", BROKEN, *command, "--out", "v.csv", "--store", "s.sqlite"],
            capture_output=True, text=True, cwd=tmp_path, timeout=90,
            env=os.environ | {"PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": "test"},
        )  # fmt: skip
    assert run.returncode == 1 and "ZeroDivisionError: a defect" in run.stderr
    assert "is damaged" not in run.stderr
    with Store(tmp_path / "s.sqlite") as store:
        assert store.counts()["reply"] > 0
