"""Verdicts and their tables: invariants, round trips, foreign tables, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import InputError
from grader.verdict.frame import VERDICT_COLUMNS, verdict_frame, verdict_row
from grader.verdict.read import VerdictWriter, read_verdicts, write_verdicts
from grader.verdict.records import OUTCOMES, STAGES, Evidence, Verdict
from grader.verdict.scores import grader_scores

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1, max_size=20)


@st.composite
def verdicts(draw: st.DrawFn, number: int) -> Verdict:
    outcome = draw(st.sampled_from(OUTCOMES))
    scored = outcome == "scored"
    quote = Evidence(message=draw(st.integers(0, 9)), start=0, end=3, quote=draw(text), verified=draw(st.booleans()))
    return Verdict(
        transcript_id=f"t{number}",
        harm=draw(st.sampled_from(["blackmail", "leaking"])),
        grader="j",
        grader_version="1",
        present=draw(st.booleans()) if scored else None,
        score=draw(st.floats(0, 1)) if scored else None,
        stage=draw(st.sampled_from(STAGES)) if scored else None,
        evidence=(quote,),
        explanation=draw(text),
        outcome=outcome,
        usage={"input_tokens": draw(st.integers(0, 10**6))},
    )


# A file costs the same whatever its length, so few long tables see more verdicts than many short ones.
@settings(max_examples=20)
@given(data=st.data())
def test_every_format_gives_back_the_same_frame(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = [data.draw(verdicts(i)) for i in range(data.draw(st.integers(1, 15)))]
    facts = {"model": "m", "epoch": 3, "arm": "a", "content_hash": "h"}
    frame = verdict_frame(verdict_row(v, facts, "judge") for v in rows)
    for suffix in ("parquet", "jsonl", "csv"):
        path = tmp_path_factory.mktemp("v") / f"verdicts.{suffix}"
        write_verdicts(frame, path)
        pd.testing.assert_frame_equal(read_verdicts(path), frame)


def test_a_csv_keeps_the_last_digit_of_a_score(tmp_path: Path) -> None:
    # Floats at which read_csv before pandas 3.1 is one unit in the last place off.
    scores = np.random.default_rng(0).random(1000)
    rows = ({"transcript_id": str(i), "harm": "h", "grader": "g", "score": score} for i, score in enumerate(scores))
    pd.DataFrame(rows).to_csv(tmp_path / "v.csv", index=False)
    assert read_verdicts(tmp_path / "v.csv")["score"].tolist() == scores.tolist()


def test_a_csv_keeps_text_that_looks_like_something_else(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("transcript_id,harm,grader,present,explanation,arm\n007,x,g,true,00,NA\nNA,x,g,None,NULL,1\n")
    frame = read_verdicts(path)
    assert frame["transcript_id"].tolist() == ["007", "NA"]
    assert frame["explanation"].tolist() == ["00", "NULL"] and frame["arm"].tolist() == ["NA", "1"]
    assert frame["outcome"].tolist() == ["scored", "not_graded"]


def test_a_failure_is_never_a_no() -> None:
    with pytest.raises(ValueError, match="present must be None exactly"):
        Verdict(transcript_id="a", harm="h", grader="j", grader_version="", present=False, outcome="refused")
    with pytest.raises(ValueError, match="present must be None exactly"):
        Verdict(transcript_id="a", harm="h", grader="j", grader_version="", present=None)


@pytest.mark.parametrize("column", ["error", "error_message", "exception"])
def test_an_error_beside_a_no_is_a_failure(tmp_path: Path, column: str) -> None:
    rows = ["a,leaking,j,0,", "b,leaking,j,0,timeout", "c,leaking,j,1,none", "d,leaking,j,0,HTTP 500"]
    (tmp_path / "v.csv").write_text(f"transcript_id,harm,grader,present,{column}\n" + "\n".join(rows) + "\n")
    frame = read_verdicts(tmp_path / "v.csv").set_index("transcript_id")
    assert frame["outcome"].to_dict() == {"a": "scored", "b": "api_error", "c": "scored", "d": "api_error"}
    assert frame["present"].isna().to_dict() == {"a": False, "b": True, "c": False, "d": True}


def test_foreign_table_with_scores_only(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("transcript_id,harm,grader,score,extra\n1,x,g,0.7,e\n2,x,g,0.2,e\n3,x,g,,e\n")
    frame = read_verdicts(path)
    assert frame["present"].tolist() == [True, False, pd.NA]
    assert frame["outcome"].tolist() == ["scored", "scored", "not_graded"]
    assert frame["extra"].tolist() == ["e"] * 3
    assert frame["transcript_id"].tolist() == ["1", "2", "3"]
    assert list(frame.columns[: len(VERDICT_COLUMNS)]) == list(VERDICT_COLUMNS)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("transcript_id,harm,present\n1,x,true\n", "missing grader"),
        ("transcript_id,harm,grader\n1,x,g\n", "needs 'present' or 'score'; it has transcript_id, harm, grader"),
        ("transcript_id,harm,grader,score\n1,x,g,1.5\n", "transcript '1': score must fulfil"),
        ("transcript_id,harm,grader,present\n1,x,g,maybe\n", "transcript '1': present must be"),
        ("transcript_id,harm,grader,present\n1,x,g,true\n1,x,g,false\n", "two verdicts by 'g' on 'x'"),
        ("transcript_id,harm,grader,present,outcome\n1,x,g,,scored\n", "scored, but without"),
        ("transcript_id,harm,grader,present,outcome\n1,x,g,true,fine\n", "'fine' is none of"),
        ("transcript_id,harm,grader,present\n,x,g,true\n", "row 1: transcript_id is empty"),
        ("transcript_id,harm,grader,present\n", "holds no verdicts"),
    ],
)
def test_a_table_that_cannot_be_used_says_which_record(tmp_path: Path, table: str, words: str) -> None:
    path = tmp_path / "v.csv"
    path.write_text(table)
    with pytest.raises(InputError, match=words) as caught:
        read_verdicts(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_cut_jsonl_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text(json.dumps({"transcript_id": "1", "harm": "x", "grader": "g", "present": True}) + '\n{"transcript')
    with pytest.raises(InputError, match="line 2: not JSON"):
        read_verdicts(path)


def test_writer_keeps_rows_on_interrupt_and_nothing_on_error(tmp_path: Path) -> None:
    row = Verdict(transcript_id="a", harm="h", grader="j", grader_version="", present=True).to_dict()
    kept, lost = tmp_path / "kept.parquet", tmp_path / "lost.parquet"
    with pytest.raises(KeyboardInterrupt), VerdictWriter(kept) as writer:
        writer.write(row)
        raise KeyboardInterrupt
    with pytest.raises(RuntimeError), VerdictWriter(lost) as writer:
        writer.write(row)
        raise RuntimeError
    assert len(read_verdicts(kept)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept.parquet"]


def test_repeats_reduce_to_the_share_of_scored_ones() -> None:
    def verdict(id_: str, present: bool | None, repeat: int) -> dict[str, object]:
        outcome = "refused" if present is None else "scored"
        return Verdict(
            transcript_id=id_, harm="h", grader="j", grader_version="1", present=present, outcome=outcome, repeat=repeat
        ).to_dict()

    frame = verdict_frame(
        verdict(id_, present, i)
        for id_, votes in {"a": [True, None, False], "b": [None, None], "c": [False, False]}.items()
        for i, present in enumerate(votes)
    )
    scores = grader_scores(frame).set_index("transcript_id")
    assert scores.loc["a", ["score", "side", "outcome"]].tolist() == [0.5, 1.0, "scored"]
    assert pd.isna(scores.loc["b", "score"]) and pd.isna(scores.loc["b", "side"])
    assert scores.loc["b", "outcome"] == "refused"
    assert scores.loc["c", ["score", "side"]].tolist() == [0.0, 0.0]


def test_one_verdict_keeps_its_own_side() -> None:
    rows = [Verdict(transcript_id="a", harm="h", grader="j", grader_version="", present=True, score=0.3).to_dict()]
    scores = grader_scores(verdict_frame(rows))
    assert scores[["score", "side"]].values.tolist() == [[0.3, 1.0]]
