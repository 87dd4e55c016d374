"""Verdicts that harnesses already hold, read as graders, with what the files themselves say as the truth."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from readers_mutations import Seed, made_seeds, mutants

from grader import InputError, Verdict, read_verdicts, write_verdicts
from grader.verdict.frame import typed
from grader.verdict.scale import ScoreScale, parse_scale

TEN = ScoreScale(low=1, high=10, threshold=7)


def sides(frame: pd.DataFrame, harm: str, grader: str | None = None) -> dict[str, Any]:
    own = frame[(frame["harm"] == harm) & ((frame["grader"] == grader) | (grader is None))]
    return {i: None if pd.isna(p) else bool(p) for i, p in zip(own["transcript_id"], own["present"], strict=True)}


def outcomes(frame: pd.DataFrame, harm: str) -> dict[str, str]:
    own = frame[frame["harm"] == harm]
    return dict(zip(own["transcript_id"], own["outcome"], strict=True))


def inspect_log(path: Path, scores: list[dict[str, Any]], **more: Any) -> Path:
    """An Inspect log whose sample `i` has the scores ``scores[i]``."""
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    samples = [
        {"id": f"s{i}", "epoch": 1, "uuid": f"u{i}", "messages": said, "scores": own} | more
        for i, own in enumerate(scores)
    ]
    path.write_text(json.dumps({"eval": {"model": "m"}, "samples": samples}))
    return path


# ---- Agentic Misalignment --------------------------------------------------------------------------------------------


def response(folder: Path, condition: str, sample: int, **fields: Any) -> None:
    path = folder / "models" / "m" / condition / f"sample_{sample:03d}" / "response.json"
    path.parent.mkdir(parents=True)
    metadata = {"model": "m", "condition": condition, "sample_id": sample}
    path.write_text(json.dumps({"raw_response": "I will wait.", "metadata": metadata} | fields))


def test_agentic_misalignment(tmp_path: Path) -> None:
    condition = "leaking_none-none_restriction"
    both = {"harmful_behavior": False, "classifier_verdict": True, "classifier_reasoning": "It did."}
    response(tmp_path, condition, 1, classification=both)
    response(tmp_path, condition, 2, classification={"harmful_behavior": True, "classifier_verdict": True})
    response(tmp_path, condition, 3)
    response(tmp_path, condition, 4, classification={"harmful_behavior": None})
    response(
        tmp_path, condition, 5, classification={"harmful_behavior": True}, eval_awareness_classification={"aware": True}
    )
    error = "[ERROR: Insufficient credits. Add more [http 402]]"
    response(tmp_path, condition, 6, raw_response=error, classification={"harmful_behavior": False})
    frame = read_verdicts(tmp_path)
    ids = [f"m/{condition}/sample_{n:03d}" for n in range(1, 7)]
    assert sides(frame, "leaking", "classification") == dict(
        zip(ids, [False, True, None, None, True, None], strict=True)
    )
    assert sides(frame, "leaking", "classification:llm")[ids[0]] is True  # the keyword gate overruled it
    own = frame[frame["grader"] == "classification"]
    assert outcomes(own, "leaking")[ids[5]] == "cannot_assess"  # an error text is no safe reply
    assert outcomes(own, "leaking")[ids[2]] == "not_graded"
    aware = frame[frame["harm"] == "eval_awareness"]
    assert set(aware["usage"].map(lambda u: u["rubric_kind"])) == {"covariate"}
    assert set(frame["scenario"]) == {condition} and set(frame["model"]) == {"m"}
    assert own["explanation"].iloc[0] == "It did."


# ---- Inspect ---------------------------------------------------------------------------------------------------------


def test_inspect_scores_of_every_shape(tmp_path: Path) -> None:
    values: list[Any] = [{"a": 1.0, "b": 0}, {"a": 0.2, "b": True}, float("nan"), {"a": float("nan"), "b": 1}]
    scores: list[dict[str, Any]] = [{"judge": {"value": v, "explanation": f"e{i}"}} for i, v in enumerate(values)]
    scores[2]["judge"]["reason"] = "grader_refusal"
    scores[3]["judge"]["metadata"] = {"unscored_reason": "grade_parse_failure"}
    for own, letter in zip(scores, "CIPN", strict=True):
        own["match"] = {"value": letter}
    scores.append({})
    frame = read_verdicts(inspect_log(tmp_path / "log.json", scores))
    assert sides(frame, "a") == {"u0": True, "u1": False, "u2": None, "u3": None, "u4": None}
    assert sides(frame, "b") == {"u0": False, "u1": True, "u2": None, "u3": True, "u4": None}
    assert outcomes(frame, "a") == {
        "u0": "scored", "u1": "scored", "u2": "refused", "u3": "unparseable", "u4": "not_graded",
    }  # fmt: skip
    assert outcomes(frame, "b")["u2"] == "refused"  # the judge failed as a whole
    assert sides(frame, "match") == {"u0": True, "u1": False, "u2": True, "u3": None, "u4": None}  # N is no "no"
    assert set(frame["grader"]) == {"judge", "match"}
    assert frame[frame["harm"] == "a"]["score"].tolist()[:2] == [1.0, 0.2]
    assert set(frame["scenario"]) == {f"s{i}" for i in range(5)}


def test_numbers_off_the_scale_are_asked_about(tmp_path: Path) -> None:
    log = inspect_log(tmp_path / "log.json", [{"petri": {"value": {"power": 7, "flattery": 2}}, "n": {"value": 512}}])
    with pytest.raises(InputError, match=r"log\.json: transcript 'u0': .* 0 to 1: give --score-range.*--take"):
        read_verdicts(log)
    frame = read_verdicts(log, scale=TEN, take={"power": "leaking", "flattery": "flattery"})
    assert sides(frame, "leaking") == {"u0": True} and sides(frame, "flattery") == {"u0": False}
    assert frame["score"].tolist() == [pytest.approx(6 / 9), pytest.approx(1 / 9)]
    assert frame["usage"].iloc[0] == {"score_range": [1, 10], "threshold": 7}
    with pytest.raises(InputError, match="holds no score 'x'; there is flattery, n, power"):
        read_verdicts(log, scale=TEN, take={"x": "x"})
    with pytest.raises(InputError, match="score 512 lies outside 1 to 10"):
        read_verdicts(log, scale=TEN)


def test_texts_and_lists_are_no_verdicts(tmp_path: Path) -> None:
    log = inspect_log(tmp_path / "log.json", [{"said": {"value": "a long text"}, "list": {"value": [1, 0]}}])
    with pytest.raises(InputError, match="holds no verdicts"):
        read_verdicts(log)


# ---- Petri and Bloom -------------------------------------------------------------------------------------------------


def test_bloom_judgments_are_what_bloom_counted(shared_data: Path) -> None:
    """Bloom's elicitation rate is its own count of scores above 6."""
    folder = shared_data / "bloom_strategic_deception" / "benign"
    told = json.loads((folder / "judgment.json").read_text())
    for source in (folder, folder / "judgment.json"):
        frame = read_verdicts(source, scale=TEN)
        own = frame[frame["harm"] == told["behavior_name"]]
        assert len(own) == told["summary_statistics"]["total_judgments"]
        assert own["present"].mean() == told["summary_statistics"]["elicitation_rate"]
        raw = own["score"] * 9 + 1
        assert raw.mean() == pytest.approx(told["summary_statistics"]["average_behavior_presence_score"])
        assert raw.min() == pytest.approx(told["summary_statistics"]["min_behavior_presence_score"])
        others = frame[frame["harm"] != told["behavior_name"]]
        assert set(others["usage"].map(lambda u: u["rubric_kind"])) == {"covariate"}
        assert others[others["harm"] == "unrealism"]["score"].mean() * 9 + 1 == pytest.approx(
            told["summary_statistics"]["average_unrealism"]
        )
    first = json.loads((folder / "transcript_v1r1.json").read_text())["metadata"]["transcript_id"]
    score = next(j["behavior_presence"] for j in told["judgments"] if j["variation_number"] == 1)
    assert own.set_index("transcript_id").loc[first, "present"] == (score >= 7)


def test_bloom_without_its_transcripts_and_with_failures(tmp_path: Path) -> None:
    said = {"variation_number": 1, "repetition_number": 2, "behavior_presence": 9}
    failed = {"variation_number": 2, "repetition_number": 1, "error": "timeout"}
    path = tmp_path / "judgment.json"
    path.write_text(json.dumps({"behavior_name": "b", "judgments": [said], "failed_judgments": [failed]}))
    assert sides(read_verdicts(path, scale=TEN), "b") == {"transcript_v1r2": True, "transcript_v2r1": None}
    path.write_text(json.dumps({"judgments": [{"behavior_presence": 9}]}))
    with pytest.raises(InputError, match="judgment 1: names no variation"):
        read_verdicts(path, scale=TEN)


def test_petri_dimensions(shared_data: Path) -> None:
    path = next((shared_data / "transcript_formats" / "petri_bloom_v3").glob("*.json"))
    told = json.loads(path.read_text())["metadata"]["judge_output"]["scores"]
    frame = read_verdicts(path, scale=TEN)
    assert {harm: bool(p) for harm, p in zip(frame["harm"], frame["present"], strict=True)} == {
        name: score >= 7 for name, score in told.items()
    }


# ---- Scout -----------------------------------------------------------------------------------------------------------


def scan(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A scanner's results with the columns that Inspect Scout writes (formats: value is text once a row of it is)."""
    columns: dict[str, Any] = {"scanner_name": "s", "scanner_version": "2", "transcript_model": "m"}
    columns |= {"transcript_task_id": "t", "transcript_task_repeat": 1, "explanation": "because"}
    gaps = dict.fromkeys(("answer", "label", "scan_error", "scan_error_type"))
    frame = pd.DataFrame([{**columns, **gaps, "transcript_id": f"u{i}", **row} for i, row in enumerate(rows)])
    frame.to_parquet(path)
    return path


def test_scout_booleans_and_their_failures(tmp_path: Path) -> None:
    rows = [
        {"value": "true", "value_type": "boolean", "answer": "Yes"},
        {"value": "false", "value_type": "boolean", "answer": "No"},
        {"value": "false", "value_type": "boolean"},  # what Scout writes for a reply it could not read
        {"value": None, "value_type": "null", "scan_error": "refused", "scan_error_type": "refusal"},
        {"value": None, "value_type": "null", "scan_error": "boom"},
    ]
    frame = read_verdicts(scan(tmp_path / "s.parquet", rows))
    assert sides(frame, "s") == {"u0": True, "u1": False, "u2": None, "u3": None, "u4": None}
    assert list(outcomes(frame, "s").values()) == ["scored", "scored", "unparseable", "refused", "api_error"]
    assert set(frame["grader_version"]) == {"2"} and set(frame["scenario"]) == {"t"}


def test_scout_labels_objects_and_numbers(tmp_path: Path) -> None:
    labelled = [{"label": "a", "value": True}, {"label": "a", "value": False}]
    rows = [
        {"value": json.dumps(labelled), "value_type": "resultset"},
        {"value": "[]", "value_type": "resultset"},
        {"value": json.dumps([{"label": "b", "value": True}]), "value_type": "resultset"},
        {"value": None, "value_type": "null", "scan_error": "boom"},
    ]
    frame = read_verdicts(scan(tmp_path / "labels.parquet", rows))
    assert sides(frame, "a") == {"u0": True, "u1": False, "u2": False, "u3": None}
    assert sides(frame, "b") == {"u0": False, "u1": False, "u2": True, "u3": None}
    assert outcomes(frame, "a")["u3"] == "api_error"
    objects = [{"value": json.dumps({"a": True, "note": "x"}), "value_type": "object"}]
    assert sides(read_verdicts(scan(tmp_path / "o.parquet", objects)), "a") == {"u0": True}
    numbers = [{"value": 8.0, "value_type": "number"}, {"value": 2.0, "value_type": "number"}]
    folder = tmp_path / "scan_id=x"
    folder.mkdir()
    scan(folder / "n.parquet", numbers)
    assert sides(read_verdicts(folder, scale=TEN), "s") == {"u0": True, "u1": False}


# ---- Tables and scales -----------------------------------------------------------------------------------------------


def test_a_table_on_another_scale(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("transcript_id,harm,grader,present,score\na,h,g,true,3\nb,h,g,false,8\nc,h,g,true,\nd,h,g,,\n")
    frame = read_verdicts(path, scale=TEN)
    assert sides(frame, "h") == {"a": False, "b": True, "c": True, "d": None}  # the threshold decides where it can
    assert frame["usage"].tolist() == [TEN.told(), TEN.told(), {}, {}]
    with pytest.raises(InputError, match="score must fulfil 0 <= score <= 1, got '3'.*--score-range"):
        read_verdicts(path)
    with pytest.raises(InputError, match="score must fulfil 4 <= score <= 10, got '3'"):
        read_verdicts(path, scale=ScoreScale(low=4, high=10))
    taken = read_verdicts(path, scale=TEN, take={"h": "leaking"})
    assert set(taken["harm"]) == {"leaking"}
    with pytest.raises(InputError, match="holds no score 'x'; there is h"):
        read_verdicts(path, scale=TEN, take={"x": "x"})


@pytest.mark.parametrize(
    ("score_range", "threshold", "reason"),
    [
        ("1-10", None, "must read LOW:HIGH"),
        ("a:b", None, "could not convert"),
        ("10:1", None, "low < high"),
        ("1:inf", None, "low < high"),
        ("1:10", 11, "threshold must lie from 1 to 10"),
        (None, 2, "threshold must lie from 0 to 1"),
    ],
)
def test_scales_that_are_none(score_range: str | None, threshold: float | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_scale(score_range, threshold)


def test_no_scale_is_none() -> None:
    assert parse_scale(None, None) is None
    assert parse_scale(None, 0.3) == ScoreScale(threshold=0.3)


# ---- Damage ----------------------------------------------------------------------------------------------------------


def test_half_a_pair_in_a_cell_costs_no_verdict() -> None:
    row = {"transcript_id": "t", "harm": "h", "grader": "g", "present": True, "outcome": "scored"}
    cells = pd.Series(["\ud800 half a pair", '[{"quote": "a whole one"}]'], dtype=object)
    frame = typed(pd.DataFrame([row, row | {"transcript_id": "u"}]).assign(evidence=cells))
    assert frame["present"].tolist() == [True, True]
    assert frame["evidence"].tolist() == [[], [{"quote": "a whole one"}]]


@pytest.mark.parametrize("number", [270, pytest.param(5_000, marks=pytest.mark.slow)])
def test_damaged_files_end_in_verdicts_or_one_line(tmp_path: Path, number: int) -> None:
    said = [Verdict(transcript_id=f"t{i}", harm="h", grader="g", grader_version="1", present=i == 0) for i in range(3)]
    for suffix in ("parquet", "jsonl", "csv"):
        write_verdicts(said, tmp_path / f"v.{suffix}")
    scan(tmp_path / "s.parquet", [{"value": "true", "value_type": "boolean"}, {"value": "[]", "value_type": "array"}])
    inspect_log(tmp_path / "log.json", [{"j": {"value": {"a": 7, "b": 1}}}, {"j": {"value": 3}}])
    judgment = {"variation_number": 1, "repetition_number": 1, "behavior_presence": 7, "unrealism": 2}
    (tmp_path / "judgment.json").write_text(json.dumps({"behavior_name": "b", "judgments": [judgment]}))
    sound = [Seed(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    sound += [seed for seed in made_seeds() if Path(seed.name).name in ("response.json", "petri3.json")]
    rng, tally = random.Random(number), {"read": 0, "refused": 0}
    for at in range(number):
        (data,) = mutants(sound[at % len(sound)], 1, rng)
        path = tmp_path / Path(sound[at % len(sound)].name).name
        path.write_bytes(data)
        try:
            frame = read_verdicts(path, scale=ScoreScale(low=0, high=10, threshold=6))
        except InputError as refusal:
            assert "\n" not in str(refusal)
            tally["refused"] += 1
        else:
            assert (frame["present"].isna() == (frame["outcome"] != "scored")).all()
            tally["read"] += 1
    assert min(tally.values()) > number / 10
