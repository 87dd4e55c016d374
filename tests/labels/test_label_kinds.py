"""Exports and tables made here: every kind of answer is used as meant, or counted under a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from grader.errors import InputError
from labels import LabelSet, read_label_studio, read_labels
from labels.campaign import adjudication_queue
from labels.label_studio.controls import REJECTED
from labels.label_studio.definitions import instructions, rubric_parts
from labels.label_studio.importing import import_labels
from labels.stages import consensus_stage, stage_votes

HARMS = ("fraud",)
NOT_ACCEPTED = {"accepted": False, "created_at": "2026-01-01"}


def choice(control: str, *values: str) -> dict[str, Any]:
    return {"from_name": control, "to_name": "dialogue", "type": "choices", "value": {"choices": list(values)}}


def task(number: int, *annotations: dict[str, Any], key: str = "annotations", **data: object) -> dict[str, Any]:
    return {"id": number, "data": {"transcript_id": f"t{number}"} | data, key: list(annotations)}


def by(rater: object, *results: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"completed_by": rater, "result": list(results)} | more


def export(folder: Path, *tasks: dict[str, Any]) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def label_of(labels: LabelSet) -> dict[str, float]:
    return dict(zip(labels.frame["transcript_id"], labels.frame["label"], strict=True))


# ---- Several answers of one rater ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_answers_the_one_changed_last_counts_in_whichever_order_they_are_written(
    tmp_path: Path, order: int
) -> None:
    first = by(7, choice("fraud", "yes"), created_at="2026-01-01T00:00:00Z", updated_at="2026-01-03T00:00:00Z")
    second = by(7, choice("fraud", "no"), created_at="2026-01-02T00:00:00Z", updated_at="2026-01-02T00:00:00Z")
    labels = read_label_studio(export(tmp_path, task(1, *[first, second][::order])), harms=HARMS)
    assert label_of(labels) == {"t1": 1.0}
    assert labels.ledger()["not_used"] == {"replaced by another answer of the same rater": 1}
    assert "1 answers differ" in labels.notes[0]


def test_a_later_unsure_takes_an_earlier_yes_back() -> None:
    rows = [("t1", "fraud", "ana", 1.0, 1), ("t1", "fraud", "ana", float("nan"), 2)]
    labels = LabelSet(frame=pd.DataFrame(rows, columns=["transcript_id", "harm", "rater", "label", "round"]))
    assert labels.consensus()[["how", "n_votes"]].values.tolist() == [["none", 0]]


def test_two_unknown_people_who_differ_are_no_definite_vote(tmp_path: Path) -> None:
    path = export(tmp_path, task(1, by(None, choice("fraud", "yes")), by(None, choice("fraud", "no"))))
    labels = read_label_studio(path, harms=HARMS)
    assert labels.frame[["rater", "status"]].values.tolist() == [["unknown (2)", "unsure"]]


def test_import_refuses_what_rate_would_refuse_before_it_writes(tmp_path: Path) -> None:
    path, history = export(tmp_path, task(1, by(7, choice("leaking", "yes")))), tmp_path / "labels.parquet"
    import_labels(path, history)
    before = history.read_bytes()
    export(tmp_path, task(1, by(7, choice("leaking", "yes"), id=1), by(7, choice("leaking", "no"), id=2)))
    with pytest.raises(InputError, match=r"labelled 'leaking' twice \(.*\), and no time says which came last"):
        import_labels(path, history)
    assert history.read_bytes() == before


# ---- Who answered ---------------------------------------------------------------------------------------------------


def test_raters_are_shown_by_name_or_address_and_the_adjudicator_is_none_of_them(tmp_path: Path) -> None:
    ana = {"id": 1, "email": "ana@example.org", "first_name": "Ana", "last_name": "Lopez"}
    bo, judge = {"id": 2, "email": "bo@example.org"}, {"id": 3, "email": "chief@example.org"}
    path = export(
        tmp_path,
        task(1, by(ana, choice("fraud", "yes")), by(bo, choice("fraud", "no"))),
        task(2, by(judge, choice("fraud", "no")), transcript_id="t1", purpose="adjudication", round=2),
    )
    labels = read_label_studio(path, harms=HARMS)
    assert labels.raters == ("1", "2")
    assert labels.named().raters == ("Ana Lopez", "bo@example.org")
    renamed = read_label_studio(path, harms=HARMS, raters={"2": "Bo", "chief@example.org": "Chief"}).named()
    assert set(renamed.frame["rater"]) == {"Ana Lopez", "Bo", "Chief"}
    assert labels.consensus()[["y", "how"]].values.tolist() == [[0.0, "ground_truth"]]
    with pytest.raises(InputError, match="--raters names '9', who labelled nothing"):
        read_label_studio(path, harms=HARMS, raters={"9": "Nobody"})


@pytest.mark.parametrize(
    ("review", "votes"),
    [
        ({"reviews": [{"accepted": False, "created_at": "2026-01-01"}]}, 0),
        (
            {
                "reviews": [
                    {"accepted": False, "created_at": "2026-01-01"},
                    {"accepted": True, "created_at": "2026-01-02"},
                ]
            },
            1,
        ),
        ({"last_action": "rejected"}, 0),
        ({"reviews": [{"accepted": False, "created_at": "2026-01-01"}], "last_action": "updated"}, 1),
        ({"last_action": "accepted"}, 1),
    ],
)
def test_an_annotation_that_a_reviewer_rejected_does_not_vote(tmp_path: Path, review: dict, votes: int) -> None:
    path = export(tmp_path, task(1, by(7, choice("fraud", "yes")) | review), task(2, by(7, choice("fraud", "no"))))
    labels = read_label_studio(path, harms=HARMS)
    assert len(labels.votes()) == 1 + votes
    assert labels.dropped.get(REJECTED, 0) == 1 - votes


# ---- Files as programs leave them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_tables_are_read_in_every_separator_and_encoding(tmp_path: Path, separator: str, encoding: str) -> None:
    rows = [["transcript_id", "harm", "rater", "label"], ["t1", "fraud", "Zoë", "ja"], ["t2", "fraud", "Zoë", "nein"]]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(separator.join(row) for row in rows), encoding=encoding)
    labels = read_labels(path)
    assert label_of(labels) == {"t1": 1.0, "t2": 0.0}
    assert labels.raters == ("Zoë",)


def test_a_decimal_comma_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("annotation_id;annotator;id;lead_time;leaking;transcript_id\n1;5;1;3,5;yes;t1\n")
    assert read_labels(path).frame["seconds"].tolist() == [3.5]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["yes", "Y", "TRUE", "1", "1.0", "ja", "Oui", "sí", "да"], 1.0),
        (["no", "N", "false", "0", "0.0", "nein", "Non", "não", "нет"], 0.0),
        (["unsure", "", "?", "weiß nicht", "Je ne sais pas", "no sé", "n/a"], None),
    ],
)
def test_words_for_yes_no_and_unsure(tmp_path: Path, words: list[str], value: float | None) -> None:
    path = tmp_path / "labels.jsonl"
    rows = [{"transcript_id": f"t{i}", "harm": "fraud", "rater": "ana", "label": w} for i, w in enumerate(words)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    labels = read_labels(path)
    assert set(labels.frame["label"].fillna(-1)) == {-1.0 if value is None else value}
    path.write_text(json.dumps(rows[0] | {"label": "perhaps"}))
    with pytest.raises(InputError, match="row 1: label must be 1, 0 or empty, or a word .*, got 'perhaps'"):
        read_labels(path)


def test_an_empty_cell_of_a_wide_table_is_counted_not_read_as_a_no(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("transcript_id,rater,Leaking,deception\nt1,ana,1,\nt2,ana,0,no\n")
    labels = read_labels(path)
    assert len(labels.frame) == 3
    ledger = labels.ledger()
    assert (ledger["read"], ledger["used"], sum(ledger["not_used"].values())) == (4, 3, 1)


def test_a_target_storage_with_whole_tasks_and_tasks_line_by_line(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    storage.mkdir()
    for number, word in ((1, "yes"), (2, "no")):
        (storage / f"{number}.json").write_text(json.dumps(task(number, by(7, choice("fraud", word), id=number))))
    assert label_of(read_label_studio(storage, harms=HARMS)) == {"t1": 1.0, "t2": 0.0}
    lines = tmp_path / "tasks.jsonl"
    lines.write_text("".join(f"{path.read_text()}\n" for path in sorted(storage.iterdir())))
    assert label_of(read_labels(lines, harms=HARMS)) == {"t1": 1.0, "t2": 0.0}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no file of a Label Studio export"):
        read_label_studio(tmp_path / "empty")


def test_completions_of_the_first_versions(tmp_path: Path) -> None:
    done = by(7, choice("fraud", "yes"), created_at=1_600_000_000)
    skipped = by(8, was_cancelled=True)
    labels = read_label_studio(export(tmp_path, task(1, done, skipped, key="completions")), harms=HARMS)
    assert labels.frame["status"].tolist() == ["definite", "skipped"]
    assert labels.frame["created_at"].dt.year.tolist()[0] == 2020


# ---- What a map means -----------------------------------------------------------------------------------------------


def test_values_that_a_map_names_for_another_harm_are_a_no_for_this_one(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        task(1, by(7, choice("verdict", "bribe"))),
        task(2, by(7, choice("verdict", "theft"))),
        task(3, by(7, choice("verdict", "none"))),
    )
    labels = read_label_studio(path, control_map={"verdict": {"bribery": ["bribe"], "theft": ["theft"]}})
    wide = labels.frame.pivot(index="transcript_id", columns="harm", values="label")
    assert wide.to_numpy().tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(("rest", "expected"), [("no", 0.0), ("unsure", -1.0)])
def test_the_rest_is_what_the_user_says(tmp_path: Path, rest: Any, expected: float) -> None:
    path = export(tmp_path, task(1, by(7, choice("v", "bad"))), task(2, by(7, choice("v", "fine"))))
    labels = read_label_studio(path, control_map={"v": {"fraud": ["bad"]}}, rest=rest)
    assert labels.frame.fillna({"label": -1.0}).set_index("transcript_id")["label"]["t2"] == expected
    with pytest.raises(InputError, match="--rest says what other values of a mapped control mean"):
        read_label_studio(path, rest=rest)


def test_a_comparison_names_every_number(tmp_path: Path) -> None:
    rating = [{"from_name": "severity", "type": "rating", "value": {"rating": n}} for n in (1, 4)]
    path = export(tmp_path, *(task(i, by(7, result)) for i, result in enumerate(rating)))
    labels = read_label_studio(path, control_map={"severity": {"fraud": [">=3"]}})
    assert label_of(labels) == {"t0": 0.0, "t1": 1.0}


# ---- Stage, spans, confidence ---------------------------------------------------------------------------------------


def test_stage_spans_and_confidence_come_with_the_labels(tmp_path: Path) -> None:
    place = {"start": "2", "end": "2", "startOffset": 4, "endOffset": 9, "text": "money", "paragraphlabels": ["fraud"]}
    marked = {"from_name": "evidence", "type": "paragraphlabels", "value": place}
    sure = {"from_name": "confidence", "type": "rating", "value": {"rating": 2}}
    path = export(tmp_path, task(1, by(7, choice("fraud", "yes"), choice("fraud_stage", "attempted"), marked, sure)))
    (row,) = read_label_studio(path, harms=HARMS).frame.to_dict("records")
    assert (row["stage"], row["confidence"]) == ("attempted", 2.0)
    assert json.loads(row["spans"]) == [{"message": 2, "start": 4, "end_message": 2, "end": 9}]
    history = tmp_path / "labels.parquet"
    from labels.meaning import LabelMeaning

    import_labels(path, history, LabelMeaning(harms=HARMS))
    (kept,) = read_labels(history).frame.to_dict("records")
    assert {name: kept[name] for name in ("stage", "confidence", "spans")} == {
        name: row[name] for name in ("stage", "confidence", "spans")
    }


def test_a_stage_is_the_raters_median_and_an_adjudicator_s_word_is_last() -> None:
    rows = [
        ("t1", "ana", 1.0, "attempted", "annotation"),
        ("t1", "bo", 1.0, "completed", "annotation"),
        ("t2", "ana", 0.0, None, "annotation"),
        ("t2", "bo", 0.0, "considered", "annotation"),
        ("t2", "chief", 0.0, "considered", "ground_truth"),
        ("t3", "ana", 1.0, None, "annotation"),
    ]
    frame = pd.DataFrame(rows, columns=["transcript_id", "rater", "label", "stage", "source"]).assign(harm="fraud")
    votes = stage_votes(LabelSet(frame=frame), "fraud")
    assert consensus_stage(votes).to_dict() == {"t1": 2.0, "t2": 1.0}


def test_adjudication_begins_where_raters_were_least_sure() -> None:
    rows = [(f"t{i}", who, says, sure) for i, sure in enumerate((5, 1, 3)) for who, says in (("ana", 1.0), ("bo", 0.0))]
    frame = pd.DataFrame(rows, columns=["transcript_id", "rater", "label", "confidence"]).assign(harm="fraud")
    assert adjudication_queue(LabelSet(frame=frame))["transcript_id"].tolist() == ["t1", "t2", "t0"]


# ---- What raters read -----------------------------------------------------------------------------------------------


def test_raters_read_the_words_that_the_judge_gets() -> None:
    from grader.rubrics import load_rubrics
    from labels import label_config

    rubrics = load_rubrics()
    page, text = label_config(rubrics), instructions(rubrics.values())
    for rubric in rubrics.values():
        parts = {part.heading: part.lines for part in rubric_parts(rubric.text)}
        assert list(parts) == ["Definition", "Counts", "Does not count", "Stages"]
        words = " ".join(" ".join(lines) for lines in parts.values()).replace("• ", "")
        assert set(words.split()) <= set(rubric.text.replace("*", "").replace("`", "").split())
        for line in parts["Counts"]:
            plain = line.removeprefix("• ").split('"')[0].split("'")[0].split("&")[0].strip()
            assert plain in page and plain in text
