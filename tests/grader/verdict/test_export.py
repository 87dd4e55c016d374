"""Verdicts for other tools, and the documented schema of our own files."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli import app
from grader import InputError, Verdict, read_verdicts, write_verdicts
from grader.verdict.export import export_verdicts
from grader.verdict.frame import VERDICT_COLUMNS, verdict_frame, verdict_row
from grader.verdict.records import Evidence
from grader.verdict.schema import COLUMN, VERSION, verdict_schema

ROOT = Path(__file__).resolve().parents[3]
QUOTE = Evidence(message=2, start=0, end=4, quote="send", verified=True)


def row(number: int, harm: str, *, grader: str = "j", epoch: int | None = 1, **fields: Any) -> dict[str, Any]:
    verdict = Verdict(transcript_id=f"u{number}", harm=harm, grader=grader, grader_version="1", **fields)
    return verdict_row(verdict, {"model": "m", "scenario": f"s{number}", "epoch": epoch, "source": "log.eval"})


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two harms; transcript 0 harmful by two of three repeats, 1 harmless, 2 refused, 3 half scored."""
    votes = [row(0, "a", present=p, repeat=i, explanation=f"r{i}") for i, p in enumerate((False, True, True))]
    return verdict_frame(
        [
            *votes,
            row(0, "b", present=False, score=0.1),
            row(1, "a", present=False),
            row(1, "b", present=False),
            row(2, "a", present=None, outcome="refused"),
            row(2, "b", present=None, outcome="refused"),
            row(3, "a", present=True, evidence=(QUOTE,), explanation="It did."),
            row(3, "b", present=None, outcome="unparseable"),
        ]
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_inspect_records(frame: pd.DataFrame, tmp_path: Path) -> None:
    export_verdicts(frame, tmp_path / "scores.jsonl", "inspect")
    records = lines(tmp_path / "scores.jsonl")
    assert [(r["id"], r["epoch"]) for r in records] == [(f"s{i}", 1) for i in range(4)]
    values = [{k: None if math.isnan(v) else v for k, v in r["value"].items()} for r in records]
    assert values == [{"a": 1, "b": 0}, {"a": 0, "b": 0}, {"a": None, "b": None}, {"a": 1, "b": None}]
    assert [r["metadata"].get("unscored_reason") for r in records] == [None, None, "grader_refusal", None]
    assert "a: present. r1" in records[0]["explanation"]  # the words of a repeat that says what the majority says
    assert "[M3] send" in records[3]["explanation"]
    assert records[0]["metadata"]["scores"]["a"] == pytest.approx(2 / 3)


def test_inspect_records_where_scenario_and_epoch_name_nobody(tmp_path: Path) -> None:
    export_verdicts(verdict_frame([row(5, "a", present=True, epoch=None)]), tmp_path / "s.jsonl", "inspect")
    assert [(r["id"], "epoch" in r) for r in lines(tmp_path / "s.jsonl")] == [("u5", False)]


def test_several_graders_are_told_apart(tmp_path: Path) -> None:
    both = verdict_frame([row(0, "a", present=True), row(0, "a", grader="k", present=False)])
    export_verdicts(both, tmp_path / "s.jsonl", "inspect")
    assert lines(tmp_path / "s.jsonl")[0]["value"] == {"j/a": 1.0, "k/a": 0.0}
    export_verdicts(both, tmp_path / "scan_id=x", "scout")
    assert set(read_verdicts(tmp_path / "scan_id=x")["harm"]) == {"j_a", "k_a"}


def test_promptfoo_passes_only_what_was_scored_harmless(frame: pd.DataFrame, tmp_path: Path) -> None:
    export_verdicts(frame, tmp_path / "p.jsonl", "promptfoo")
    records = lines(tmp_path / "p.jsonl")
    assert [r["pass"] for r in records] == [False, True, False, False]
    assert [r["metadata"]["unscored"] for r in records] == [[], [], ["a", "b"], ["b"]]
    assert records[3]["namedScores"] == {"a": 1.0}
    assert [part["assertion"]["metric"] for part in records[0]["componentResults"]] == ["a", "b"]
    assert all(r["score"] == float(r["pass"]) and r["reason"] for r in records)


def test_a_scout_scan_gives_back_the_sides(frame: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "scan_id=x"
    export_verdicts(frame, folder, "scout")
    assert sorted(p.name for p in folder.iterdir()) == [
        "_errors.jsonl", "_scan.json", "_summary.json", "a.parquet", "b.parquet",
    ]  # fmt: skip
    back = read_verdicts(folder).set_index(["transcript_id", "harm"])
    assert back.loc["u0", "present"].to_dict() == {"a": True, "b": False}
    assert back.loc[("u2", "a"), "outcome"] == "refused"
    assert pd.isna(back.loc[("u3", "b"), "present"])
    assert (back.loc["u0", "scenario"] == "s0").all() and (back["model"] == "m").all()
    summary = json.loads((folder / "_summary.json").read_text())
    assert summary["scanners"]["a"] == {"scans": 4, "results": 3, "errors": 1, "tokens": 0}


def test_nothing_to_write_and_unknown_formats(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no verdicts to write"):
        export_verdicts(frame.iloc[:0], tmp_path / "s.jsonl", "inspect")
    with pytest.raises(InputError, match="unknown format 'xml'; known are inspect, scout, promptfoo"):
        export_verdicts(frame, tmp_path / "s.xml", "xml")  # type: ignore[arg-type]


def test_the_command(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_verdicts(frame, tmp_path / "v.parquet")
    command = ["export", str(tmp_path / "v.parquet"), "--to", "inspect", "--out", str(tmp_path / "s.jsonl")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert len(lines(tmp_path / "s.jsonl")) == 4


# ---- Our own files ---------------------------------------------------------------------------------------------------


def test_every_line_we_write_fits_the_schema(frame: pd.DataFrame, tmp_path: Path) -> None:
    schema = verdict_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    write_verdicts(frame, tmp_path / "v.jsonl")
    for record in lines(tmp_path / "v.jsonl"):
        check.validate(record)
        assert record[COLUMN] == VERSION
    for wrong in ({"present": None}, {"outcome": "refused"}, {"score": 2}, {"stage": "done"}, {"transcript_id": 3}):
        assert not check.is_valid(lines(tmp_path / "v.jsonl")[0] | wrong)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_files_of_a_newer_schema_are_refused(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"v.{suffix}"
    write_verdicts(frame, path)
    assert list(read_verdicts(path)) == list(VERDICT_COLUMNS)
    match suffix:
        case "parquet":
            pd.read_parquet(path).assign(**{COLUMN: VERSION + 1}).to_parquet(path)
        case "jsonl":
            path.write_text(path.read_text().replace(f'"{COLUMN}": {VERSION}', f'"{COLUMN}": {VERSION + 1}'))
        case "csv":
            pd.read_csv(path).assign(**{COLUMN: VERSION + 1}).to_csv(path, index=False)
    with pytest.raises(InputError, match="written by a newer harmrate: verdict schema 2, known is 1"):
        read_verdicts(path)


def test_the_documentation_shows_the_schema_of_the_code() -> None:
    text = (ROOT / "docs" / "verdict-schema.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert json.loads(block) == verdict_schema()
    assert f"version {VERSION}" in text
    assert all(f"`{column}`" in text for column in (*VERDICT_COLUMNS, COLUMN))


def test_no_name_leaves_the_folder_of_a_scan_nor_takes_the_file_of_another(tmp_path: Path) -> None:
    names = ["../../out", "..", "a/b", "a_b", "/etc/x", "n" * 400, "x\0y", "C:\\x"]
    rows = [{"transcript_id": "t", "harm": name, "grader": "j", "present": True} for name in names]
    pd.DataFrame(rows).to_json(tmp_path / "v.jsonl", orient="records", lines=True)
    folder = tmp_path / "deep" / "scan_id=x"
    export_verdicts(read_verdicts(tmp_path / "v.jsonl"), folder, "scout")
    assert {p.name for p in tmp_path.iterdir()} == {"v.jsonl", "deep"} and len(list((tmp_path / "deep").iterdir())) == 1
    assert len(list(folder.glob("*.parquet"))) == len(names)
    assert len(read_verdicts(folder)) == len(names)
