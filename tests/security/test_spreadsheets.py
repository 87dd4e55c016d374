"""No cell of a table that we write starts a formula in a spreadsheet, and we read back what was there."""

from __future__ import annotations

import csv
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader import Verdict, read_verdicts, write_verdicts
from grader.files.cells import escape_formulas, unescape_formulas, write_table
from grader.files.names import file_names
from labels import LabelSet, read_labels
from labels.sampling.designs import draw_sample, read_design, write_design

FORMULAS = (
    '=cmd|" /C calc"!A0', "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "\ufeff=1", "\uff1d1+1",
    "'=1", "''@x", "'-0.5x", "=HYPERLINK(\"http://x\",\"y\")",
)  # fmt: skip
PLAIN = ("a", "'a", "it's", "a=b", "-0.5", "+3", "-1e-9", "00", "NA", "1=1")
TEXTS = (*FORMULAS, *PLAIN)


def starts_a_formula(cell: str) -> bool:
    """As spreadsheets and the OWASP list have it: one of these signs first, or a tab or a line break."""
    is_number = re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", cell)
    first = cell.lstrip(" \t\r\n\ufeff")[:1]
    return not is_number and (first in tuple("=+-@\uff1d\uff0b\uff0d\uff20") or cell[:1] in tuple("\t\r\n"))


def assert_no_formula(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert cells and [cell for cell in cells if starts_a_formula(cell)] == []


def test_the_check_itself() -> None:
    assert [text for text in TEXTS if starts_a_formula(text)] == [text for text in FORMULAS if text[0] != "'"]


@given(st.lists(st.text() | st.sampled_from(TEXTS), max_size=20, unique=True))
@example(list(TEXTS))
def test_every_table_comes_back_as_it_was(texts: list[str]) -> None:
    table = pd.DataFrame({"id": texts, "score": [-0.5] * len(texts)}).rename(columns={"id": "=id"})
    written = escape_formulas(table)
    assert not any(starts_a_formula(cell) for cell in [*written.columns, *written.iloc[:, 0]])
    assert written["score"].tolist() == table["score"].tolist()
    pd.testing.assert_frame_equal(unescape_formulas(written), table)


def test_verdicts(tmp_path: Path) -> None:
    verdicts = [
        Verdict(transcript_id=text, harm=f"{text}h", grader=text, grader_version=text, present=True, explanation=text)
        for text in TEXTS
    ]
    write_verdicts(verdicts, tmp_path / "v.csv")
    assert_no_formula(tmp_path / "v.csv")
    back = read_verdicts(tmp_path / "v.csv")
    for column in ("transcript_id", "grader", "grader_version", "explanation"):
        assert back[column].tolist() == list(TEXTS)
    assert back["harm"].tolist() == [f"{text}h" for text in TEXTS]


def test_labels(tmp_path: Path) -> None:
    labels = LabelSet.from_rows([(text, "leaking", f"{text}r", 1.0) for text in TEXTS])
    labels.write(tmp_path / "l.csv")
    assert_no_formula(tmp_path / "l.csv")
    pd.testing.assert_frame_equal(read_labels(tmp_path / "l.csv").frame, labels.frame)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_design(tmp_path: Path, suffix: str) -> None:
    drawn = draw_sample(pd.DataFrame({"transcript_id": TEXTS}), 5, harms=["=leak"], rng=np.random.default_rng(0))
    write_design(drawn, tmp_path / f"d.{suffix}")
    if suffix == "csv":
        assert_no_formula(tmp_path / "d.csv")
    back = read_design(tmp_path / f"d.{suffix}")
    for column in ("transcript_id", "harm", "inclusion_probability", "drawn"):
        assert back[column].tolist() == drawn[column].tolist()


def test_tables_for_papers(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"harm": list(TEXTS), "low": -0.25}), tmp_path / "t.csv")
    assert_no_formula(tmp_path / "t.csv")
    assert (pd.read_csv(tmp_path / "t.csv")["low"] == -0.25).all()


@given(st.lists(st.text(), max_size=8))
@settings(max_examples=30)
def test_names_of_files_are_no_paths_and_all_different(names: list[str]) -> None:
    made = file_names([*names, "../../etc/passwd", "a/b", "a_b", "n" * 400, ".."])
    assert len(set(made.values())) == len(made) == len({*names, "../../etc/passwd", "a/b", "a_b", "n" * 400, ".."})
    with tempfile.TemporaryDirectory() as folder:
        for name in made.values():
            path = Path(folder, f"rates-{name}.svg")
            path.touch(exist_ok=False)
            assert path.resolve().parent == Path(folder).resolve()
