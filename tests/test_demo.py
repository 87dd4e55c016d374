"""The demonstration: real code, offline, on a study whose truth is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calibration.study.demo import find_study
from cli import app

TRUTH = {"baseline": 0.22, "demonstrations": 0.15, "reasons": 0.03}


@pytest.fixture
def demo(demonstration):
    return demonstration[0] / "harmrate-demo", demonstration[1]


def test_it_says_what_it_is_and_shows_the_truth(demo):
    _, shown = demo
    assert "SIMULATED" in shown
    for share in ("22 %", "15 %", "3 %"):
        assert share in shown
    assert "arm=baseline against arm=demonstrations" in shown and "told apart" in shown


def test_every_arm_holds_its_true_rate(demo):
    folder, _ = demo
    report = json.loads((folder / "report.json").read_text())
    blackmail = {r["group"]["arm"]: r for r in report["rates"] if r["harm"] == "blackmail"}
    for arm, truth in TRUTH.items():
        assert blackmail[arm]["low"] <= truth <= blackmail[arm]["high"]
    judge = blackmail["reasons"]["grader_rates"]["simulated-judge"]
    assert judge > 2 * TRUTH["reasons"], "the judge alone is wrong where harm is rare"
    assert {g["kind"] for g in report["graders"]} == {"judge", "classifier"}
    assert len({tuple(a["between"]) for a in report["agreement"]}) >= 4


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.json"])
def test_every_report_says_that_it_is_simulated(demo, name):
    assert "SIMULATED study" in (demo[0] / name).read_text()


def test_a_report_computed_again_says_so_too(demo, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(demo[0], again)
    before = json.loads((again / "report.json").read_text())
    for name in ("report.html", "report.md"):
        (again / name).unlink()
    assert CliRunner().invoke(app, ["report", str(again)]).exit_code == 0
    assert "SIMULATED study" in (again / "report.html").read_text()
    assert "SIMULATED study" in (again / "report.md").read_text()
    assert json.loads((again / "report.json").read_text())["notes"] == before["notes"]


def test_the_files_say_that_nothing_in_it_happened():
    folder = find_study()
    assert "simulated" in (folder / "README.md").read_text().lower()
    first = json.loads((folder / "transcripts.jsonl").read_text().splitlines()[0])
    assert first["metadata"]["simulated"] is True


def test_a_study_that_is_not_there_is_told(monkeypatch, tmp_path: Path):
    from grader import InputError

    monkeypatch.setattr("calibration.study.demo.__file__", str(tmp_path / "a" / "b" / "demo.py"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(InputError, match="the shipped study is missing"):
        find_study()
