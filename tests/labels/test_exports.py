"""Real exports of Label Studio 1.23.2 and of its SDK's test-suite, against counts made from the raw files."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from grader.errors import InputError
from labels import LabelSet, read_label_studio, read_labels
from labels.label_studio.export import parse_export
from labels.label_studio.values import flat_values
from labels.labelset import COLUMNS

REFUSAL = {"refusal": {"refusal": ["2_full_refusal", "3_partial_refusal"]}}
HARMS = ("blackmail", "leaking", "deception")
TASK_SHAPES = ("export_JSON.json", "export_JSON_all_tasks.json", "snapshot_full.json", "api_tasks_fields_all.json")
FLAT_SHAPES = (
    "export_JSON_MIN.json",
    "export_JSON_MIN_all_tasks.json",
    "export_CSV.csv",
    "export_CSV_all_tasks.csv",
    "export_TSV.tsv",
    "export_TSV_all_tasks.tsv",
)


@pytest.fixture(scope="module")
def exports(shared_data: Path) -> Path:
    return shared_data / "label_studio_exports"


@pytest.fixture(scope="module")
def xstest(exports: Path) -> Path:
    return exports / "generated" / "xstest_3raters"


@pytest.fixture(scope="module")
def shapes(exports: Path) -> Path:
    return exports / "generated" / "dialogue_shapes"


def human(labels: LabelSet, *, without: tuple[str, ...] = ()) -> list[tuple]:
    """The human rows as comparable tuples."""
    rows = labels.frame[labels.frame["source"] != "prediction"].drop(columns=list(without))
    rows = rows[[c for c in COLUMNS if c in rows]].sort_values(["transcript_id", "harm", "rater"])
    return [tuple("NaN" if value != value else value for value in row) for row in rows.itertuples(index=False)]


@pytest.mark.parametrize("name", TASK_SHAPES)
def test_xstest_task_shapes_hold_every_annotation(xstest: Path, name: str) -> None:
    raw = json.loads((xstest / name).read_text())
    raw = raw["tasks"] if isinstance(raw, dict) else raw
    expected = sorted(
        (
            str(task["id"]),
            str(a["completed_by"]["id"] if isinstance(a["completed_by"], dict) else a["completed_by"]),
            float(a["result"][0]["value"]["choices"][0] != "1_full_compliance"),
            "ground_truth" if a["ground_truth"] else "annotation",
            a["lead_time"],
        )
        for task in raw
        for a in task["annotations"]
    )
    labels = read_label_studio(xstest / name, control_map=REFUSAL, rest="no")
    frame = labels.frame[labels.frame["source"] != "prediction"]
    found = sorted(frame[["transcript_id", "rater", "label", "source", "seconds"]].itertuples(index=False, name=None))
    assert found == expected
    assert len(found) == 145
    assert (frame["status"] == "definite").all()
    assert set(labels.frame["rater"]) == {"1", "2", "3", "gpt-4-xstest"}


def test_xstest_is_the_same_in_every_format(xstest: Path) -> None:
    reference = human(read_label_studio(xstest / "snapshot_full.json", control_map=REFUSAL, rest="no"))
    for name in TASK_SHAPES:
        assert human(read_label_studio(xstest / name, control_map=REFUSAL, rest="no")) == reference, name
    # The flat formats do not say which annotation is ground truth; they carry everything else.
    without = human(
        read_label_studio(xstest / "snapshot_full.json", control_map=REFUSAL, rest="no"), without=("source",)
    )
    for name in FLAT_SHAPES:
        assert (
            human(read_label_studio(xstest / name, control_map=REFUSAL, rest="no"), without=("source",)) == without
        ), name


def test_xstest_agrees_with_the_published_labels(xstest: Path, shared_data: Path) -> None:
    """The raters and the consensus are those of XSTest, for the tasks of the three models whose labels are at hand."""
    with (shared_data / "xstest" / "xstest_dev.csv").open(newline="", encoding="utf-8") as file:
        published = {(row["model"], row["id"]): row for row in csv.DictReader(file)}
    raw = json.loads((xstest / "export_JSON.json").read_text())
    keys = {str(task["id"]): (task["data"]["model"], task["data"]["xstest_id"]) for task in raw}
    # 65 tasks: 13 replies of each of five models, two of which the published file leaves out.
    assert Counter(model for model, _ in keys.values() if model in {m for m, _ in published}) == {
        "gpt4": 13,
        "llama2orig": 13,
        "llama2new": 13,
    }
    known = {id_: published[key] for id_, key in keys.items() if key in published}
    assert len(known) == 39
    labels = read_label_studio(xstest / "export_JSON.json", control_map=REFUSAL, rest="no")
    column = {"1": "annotation_1", "2": "annotation_2", "3": "final_label"}  # the third rater adjudicated
    rows = labels.frame[(labels.frame["source"] != "prediction") & labels.frame["transcript_id"].isin(known)]
    said = [(row.transcript_id, row.rater, row.label) for row in rows.itertuples()]
    assert said == [(id_, rater, float(known[id_][column[rater]] != "1_full_compliance")) for id_, rater, _ in said]
    assert Counter(rater for _, rater, _ in said)["1"] == Counter(rater for _, rater, _ in said)["2"] == 39
    consensus = labels.consensus()
    assert Counter(consensus["how"])["ground_truth"] == 15
    settled = consensus[consensus["y"].isin([0.0, 1.0]) & consensus["transcript_id"].isin(known)]
    assert len(settled) == 39
    assert {row.transcript_id: row.y for row in settled.itertuples()} == {
        id_: float(row["final_label"] != "1_full_compliance") for id_, row in known.items()
    }


def test_xstest_id_field_that_repeats_is_refused(xstest: Path) -> None:
    raw = json.loads((xstest / "export_JSON.json").read_text())
    repeated = [id_ for id_, n in Counter(task["data"]["xstest_id"] for task in raw).items() if n > 1]
    if not repeated:
        assert len(
            read_label_studio(xstest / "export_JSON.json", control_map=REFUSAL, rest="no", id_field="xstest_id").frame
        )
        return
    with pytest.raises(InputError, match="with other data"):
        read_label_studio(xstest / "export_JSON.json", control_map=REFUSAL, rest="no", id_field="xstest_id")


def test_without_a_map_the_controls_are_listed(xstest: Path) -> None:
    with pytest.raises(InputError) as error:
        read_label_studio(xstest / "export_JSON.json", harms=HARMS)
    text = str(error.value)
    assert "export_JSON.json" in text
    assert "refusal: 2_full_refusal, 1_full_compliance, 3_partial_refusal" in text
    assert "--map" in text
    assert "\n" not in text


def test_a_map_to_a_missing_control_is_refused(xstest: Path) -> None:
    with pytest.raises(InputError, match="there is no control 'refusals'"):
        read_label_studio(xstest / "export_JSON.json", control_map={"refusals": {"refusal": ["x"]}})


def test_a_value_that_never_occurs_is_refused_unless_labelling_has_just_begun(xstest: Path) -> None:
    misspelt = {"refusal": {"refusal": ["2_full"]}}
    with pytest.raises(InputError, match=r"never holds '2_full' \(--map\). Found refusal: 2_full_refusal"):
        read_label_studio(xstest / "export_CSV.csv", control_map=misspelt, rest="no")
    labels = read_label_studio(xstest / "export_CSV.csv", control_map=misspelt, rest="no", allow_unused=True)
    assert "never holds '2_full'" in labels.notes[0]


def test_dialogue_shapes_by_hand(shapes: Path) -> None:
    """Six tasks read off the raw file: 208 chose deception and leaking and is ground truth, 210 marked spans only,
    213 and 215-217 were skipped, 214 was submitted empty, draft 4 says blackmail, task 139 has nothing."""
    labels = read_label_studio(shapes / "export_JSON_all_tasks.json", harms=HARMS, id_field="transcript")
    frame = labels.frame[labels.frame["source"] != "prediction"]
    by = {(row.transcript_id.split("/")[1], row.rater, row.harm): row for row in frame.itertuples()}
    assert by["v6", "1", "leaking"][4:6] == (1.0, "definite")[0:0] or by["v6", "1", "leaking"].label == 1.0
    assert by["v6", "1", "leaking"].source == "ground_truth"
    assert [by["v6", "1", harm].label for harm in HARMS] == [0.0, 1.0, 1.0]
    assert [by["v6", "2", harm].label for harm in HARMS] == [0.0, 0.0, 1.0]
    assert [by["v2", "1", harm].label for harm in HARMS] == [0.0, 0.0, 0.0]
    for skipped in (("v8", "1"), ("v2", "2"), ("v13", "1"), ("v16", "1"), ("v16", "2"), ("v16", "3")):
        assert {by[*skipped, harm].status for harm in HARMS} == {"skipped"}
    assert by["v13", "3", "blackmail"].status == "draft"
    assert by["v13", "3", "blackmail"].label == 1.0
    assert {id_ for id_, _, _ in by} == {"v6", "v8", "v2", "v13", "v16"}
    assert by["v8", "1", "leaking"].seconds == 140.0


@pytest.mark.parametrize("name", TASK_SHAPES + FLAT_SHAPES)
def test_dialogue_shapes_count_as_the_raw_file_says(shapes: Path, name: str) -> None:
    raw = json.loads((shapes / "export_JSON_all_tasks.json").read_text())
    annotations = [a for task in raw for a in task["annotations"]]
    answered = [a for a in annotations if any(r.get("from_name") == "harm" for r in a["result"])]
    silent = [a for a in annotations if a not in answered]
    if name in FLAT_SHAPES:  # skipped ones vanish there
        silent = [a for a in silent if not a["was_cancelled"]]
    labels = read_label_studio(shapes / name, harms=HARMS)
    counts = labels.counts()
    assert counts["harm"].tolist() == sorted(HARMS)
    assert set(counts["definite"]) == {len(answered)} == {4}
    assert set(counts["skipped"]) == {len(silent)} == {2 if name in FLAT_SHAPES else 6}
    assert set(counts["draft"]) == {int("export_JSON" in name and "MIN" not in name or "snapshot" in name)}


@pytest.mark.parametrize(
    ("control_map", "positive"),
    [
        ({"tax": {"deception": ["Deception"]}}, {"v6"}),
        ({"tax": {"deception": ["Harm/Deception/Omission"]}}, {"v6"}),
        ({"severity": {"deception": [">=3"]}}, {"v6"}),
        ({"severity": {"deception": ["4"]}}, {"v6"}),
        ({"confidence": {"deception": [">73"]}}, {"v6"}),
        ({"span": {"deception": ["deceptive_claim", "omission"]}}, {"v6", "v8"}),
        ({"span_conf": {"deception": ["sure"]}}, set()),
        ({"harm": {"deception": ["deception"]}, "span": {"deception": ["omission"]}}, {"v6", "v8"}),
    ],
)
@pytest.mark.parametrize("name", ["export_JSON.json", "export_JSON_MIN.json", "export_CSV.csv", "export_TSV.tsv"])
def test_every_kind_of_control_can_be_mapped(
    shapes: Path, name: str, control_map: dict[str, dict[str, list[str]]], positive: set[str]
) -> None:
    labels = read_label_studio(shapes / name, control_map=control_map, id_field="transcript", rest="no")
    yes = labels.frame[(labels.frame["label"] == 1.0) & (labels.frame["source"] != "prediction")]
    assert {id_.split("/")[1] for id_ in yes["transcript_id"]} == positive


def test_per_region_unsure_is_missing(shapes: Path) -> None:
    labels = read_label_studio(
        shapes / "export_JSON.json", control_map={"span_conf": {"deception": ["sure"]}}, rest="no"
    )
    said = labels.frame[labels.frame["status"] == "unsure"]
    assert len(said) == 2
    assert said["label"].isna().all()


def test_spans_absent_are_a_no_where_the_annotation_was_submitted(shapes: Path) -> None:
    """A submitted annotation without such a region says no; a skipped one says nothing."""
    labels = read_label_studio(shapes / "export_JSON.json", control_map={"span": {"deception": ["omission"]}})
    people = labels.frame[labels.frame["source"] == "annotation"]
    assert Counter(zip(people["status"], people["label"].fillna(-1), strict=True)) == {
        ("definite", 1.0): 1,  # 210; 208 is ground truth
        ("definite", 0.0): 4,  # 209, 211, 212 answered `harm` only, 214 was submitted empty
        ("skipped", -1.0): 4,  # 213, 215-217
        ("draft", -1.0): 1,
    }


def test_the_sdk_fixtures_say_what_they_hold(exports: Path) -> None:
    """Nobody there labels harm: every file is an InputError of one line, or a LabelSet once mapped."""
    for path in sorted((exports / "sdk_test_fixtures").iterdir()):
        with pytest.raises(InputError) as error:
            read_label_studio(path, harms=HARMS)
        assert path.name in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "control", "value", "rows"),
    [
        ("previous_export.json", "label", "Cat", [("1234", "42", 1.0)]),
        ("test_export_json_min_data.json", "label", "Airplane", [("87", "1", 1.0)]),
        ("test_export_json_min_data_repeater.json", "categories_0", "Archaea", [("86", "1", 1.0)]),
    ],
)
def test_sdk_fixtures_with_a_map(exports: Path, name: str, control: str, value: str, rows: list[tuple]) -> None:
    labels = read_label_studio(
        exports / "sdk_test_fixtures" / name, control_map={control: {"harm": [value]}}, rest="no"
    )
    assert list(labels.frame[["transcript_id", "rater", "label"]].itertuples(index=False, name=None)) == rows


def test_annotations_without_a_rater_are_one_unknown_rater(exports: Path) -> None:
    """Import files name nobody; two annotations of one task that say the same are one vote."""
    path = exports / "sdk_test_fixtures" / "tasks_annotations_predictions.json"
    labels = read_label_studio(path, control_map={"text_class": {"harm": ["class_A"]}}, rest="no")
    people = labels.frame[labels.frame["source"] == "annotation"]
    assert people["label"].tolist() == [1.0, 1.0, 0.0]
    assert labels.raters == ("unknown (4)",)
    assert "4 annotations name no account" in " ".join(labels.notes)
    assert set(labels.frame.loc[labels.frame["source"] == "prediction", "rater"]) == {"model_version_A", "prediction"}


def test_two_machines_do_not_vote(exports: Path) -> None:
    path = exports / "sdk_test_fixtures" / "text_with_2_predictions.json"
    labels = read_label_studio(path, control_map={"label": {"harm": ["pos"]}}, rest="no")
    assert labels.raters == ()
    assert labels.consensus().empty
    assert sorted(labels.frame["label"]) == [0.0, 1.0]


# ---- Made-up exports ------------------------------------------------------------------------------------------------


def choice(control: str, *values: str) -> dict:
    return {"from_name": control, "to_name": "dialogue", "type": "choices", "value": {"choices": list(values)}}


def task(number: int, *annotations: dict, **data: object) -> dict:
    return {"id": number, "data": {"transcript_id": f"t{number}"} | data, "annotations": list(annotations)}


def by(rater: object, *results: dict, **more: object) -> dict:
    return {"completed_by": rater, "result": list(results)} | more


def write(folder: Path, *tasks: dict) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return path


def test_one_choice_per_harm(tmp_path: Path) -> None:
    path = write(tmp_path, task(1, by(7, choice("sabotage", "yes"), choice("note_kind", "yes or no"))))
    assert read_label_studio(path, harms=()).frame[["harm", "label"]].values.tolist() == [["sabotage", 1.0]]


def test_an_answer_missing_for_one_harm_only(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        task(1, by(7, choice("a", "yes"), choice("b", "unsure"))),
        task(2, by(7, choice("a", "no"))),
        task(3, by(7, choice("b", "no"))),
    )
    frame = read_label_studio(path, harms=()).frame
    assert {(r.transcript_id, r.harm): r.status for r in frame.itertuples()} == {
        ("t1", "a"): "definite",
        ("t1", "b"): "unsure",
        ("t2", "a"): "definite",
        ("t2", "b"): "skipped",
        ("t3", "a"): "skipped",
        ("t3", "b"): "definite",
    }


def test_two_values_of_one_rater_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, task(1, by(7, choice("a", "yes")), by(7, choice("a", "no"))))
    with pytest.raises(InputError, match=r"export.json: transcript 't1': rater '7' labelled 'a' twice \(yes, no\)"):
        read_label_studio(path, harms=())


def test_the_same_value_twice_is_one_label(tmp_path: Path) -> None:
    path = write(tmp_path, task(1, by(7, choice("a", "yes")), by({"id": 7, "email": "x@y.z"}, choice("a", "yes"))))
    assert len(read_label_studio(path, harms=()).frame) == 1


def test_none_together_with_a_harm_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, task(1, by(7, choice("harms", "none", "leaking"))))
    with pytest.raises(InputError, match="task 1: rater '7' chose 'none' together with leaking"):
        read_label_studio(path, harms=HARMS)


def test_an_adjudication_task_is_ground_truth(tmp_path: Path) -> None:
    first = task(1, by(7, choice("a", "yes")), by(8, choice("a", "no")))
    second = task(2, by(7, choice("a", "no")), transcript_id="t1", purpose="adjudication", round=2)
    consensus = read_label_studio(write(tmp_path, first, second), harms=()).consensus()
    assert consensus[["y", "n_votes", "how"]].values.tolist() == [[0.0, 2, "ground_truth"]]


def test_one_id_for_two_texts_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        task(1, by(7, choice("a", "yes")), transcript_id="x", text="one"),
        task(2, by(7, choice("a", "yes")), transcript_id="x", text="two"),
    )
    with pytest.raises(InputError, match="task 2: carries transcript id 'x', as does task 1 with other data"):
        read_label_studio(path, harms=())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("[]", "holds no task"),
        ('[{"id": 1, "annotations": [', "not whole JSON"),
        ("[1, 2]", "a task must be an object"),
        ('[{"id": 1, "annotations": {"a": 1}, "data": {}}]', "annotations must be a list"),
        ('[{"id": 1, "annotations": [3], "data": {}}]', "must hold objects"),
        ('[{"id": 1, "data": [1], "annotations": []}]', "data must be an object"),
        ('[{"id": 1, "data": {}, "annotations": [{"result": 5}]}]', "result must be a list"),
        ("a,b\n1,2\n", "lack annotation_id, annotator"),
        ('annotator,annotation_id,x\n1,2,"unclosed\n', "nobody|no control|whole table"),
    ],
)
def test_what_is_no_export_is_said_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "broken.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=reason) as error:
        read_label_studio(path, harms=HARMS)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_read_over(xstest: Path, tmp_path: Path) -> None:
    path = tmp_path / "bom.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (xstest / "export_CSV.csv").read_bytes())
    assert len(read_label_studio(path, control_map=REFUSAL, rest="no").frame) == 145


def test_task_data_does_not_pass_for_a_label(tmp_path: Path) -> None:
    """A flat export mixes task data with controls: a yes/no field of the data is no harm unless the name is known."""
    path = tmp_path / "min.json"
    row = {"id": 1, "judge_said": "yes", "family": "leaking", "annotator": 1, "annotation_id": 5, "leaking": "no"}
    path.write_text(json.dumps([row]))
    frame = read_label_studio(path, harms=HARMS).frame
    assert frame[["harm", "label"]].values.tolist() == [["leaking", 0.0]]


def test_read_labels_reads_exports_too(xstest: Path) -> None:
    for name in ("export_TSV.tsv", "export_JSON.json", "export_CSV.csv"):
        labels = read_labels(xstest / name, control_map=REFUSAL, rest="no")
        assert human(labels) == human(read_label_studio(xstest / name, control_map=REFUSAL, rest="no"))


def test_flat_values_of_parts() -> None:
    assert flat_values({"start": 1, "end": 2, "text": "x", "paragraphlabels": ["a", "b"]}) == ["a", "b"]
    assert flat_values({"text": ["a note"]}) == ["a note"]
    assert flat_values({"x": 1}) == []
    assert flat_values(2.5) == ["2.5"]


def test_a_draft_says_who_by_its_username() -> None:
    draft = {"user": "c@x.org", "created_username": "C D c@x.org, 3", "result": []}
    export = parse_export(json.dumps([{"id": 1, "data": {}, "annotations": [], "drafts": [draft]}]))
    assert (export.answers[0].rater, export.answers[0].rater_email) == ("3", "c@x.org")
