"""What raters wrote beside their answers, and where their tasks are: kept from the server to the report's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from label_studio_campaign import answers
from label_studio_fake import Fake

from labels import LabelSet, read_label_studio, read_labels
from labels.label_studio.connect import Studio
from labels.label_studio.folder import pull_campaign, push_campaign

WORDS = "Line one.\n<b>Not</b> sure about M4."


def noted(text: str, control: str = "note", kind: str = "textarea") -> dict[str, object]:
    return {"from_name": control, "to_name": "dialogue", "type": kind, "value": {"text": [text]}}


def test_a_note_and_the_task_come_with_each_label_of_a_pull(fake: Fake, studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    task = fake.task_of("t03")
    made = fake.annotate(task, 2, answers("yes"))
    made["result"].append(noted(WORDS))
    fake.annotate(task, 3, answers("no"))
    pull_campaign(studio, folder)
    labels = read_labels(folder / "labels.parquet")
    told = {(r.rater, r.harm): r.note for r in labels.frame.itertuples()}
    assert told == {(who, harm): {"2": WORDS, "3": None}[who] for who in "23" for harm in ("blackmail", "leaking")}
    assert set(labels.frame["task_url"]) == {f"{fake.url}/projects/1/data?task={task}"}

    labels.write(folder / "again.parquet")
    pd.testing.assert_frame_equal(read_labels(folder / "again.parquet").frame, labels.frame, check_dtype=False)
    labels.write(folder / "again.csv")
    assert read_labels(folder / "again.csv").frame["note"].tolist() == labels.frame["note"].tolist()


def test_a_note_that_was_changed_is_a_new_version(fake: Fake, studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    made = fake.annotate(fake.task_of("t03"), 2, answers("yes"))
    made["result"].append(noted("first"))
    pull_campaign(studio, folder)
    made["result"][-1] = noted("second")
    assert pull_campaign(studio, folder).growth.changed == 2
    assert set(read_labels(folder / "labels.parquet").frame["note"]) == {"second"}


def exported(folder: Path, *result: dict[str, object]) -> LabelSet:
    said = {"from_name": "leaking", "to_name": "dialogue", "type": "choices", "value": {"choices": ["yes"]}}
    task = {"id": 1, "data": {"transcript_id": "t1"}, "annotations": [{"completed_by": 7, "result": [said, *result]}]}
    (folder / "export.json").write_text(json.dumps([task]))
    return read_label_studio(folder / "export.json")


def test_an_export_has_notes_and_no_address(tmp_path: Path) -> None:
    frame = exported(tmp_path, noted("because of M2")).frame
    assert frame["note"].tolist() == ["because of M2"] and "task_url" not in frame


@pytest.mark.parametrize("other", [noted("words", control="remark"), noted("words", kind="number")])
def test_another_control_is_no_note(tmp_path: Path, other: dict[str, object]) -> None:
    assert "note" not in exported(tmp_path, other).frame


def test_an_empty_note_is_none() -> None:
    rows = {"transcript_id": ["a", "b", "c"], "harm": "h", "rater": "ana", "label": 1.0, "note": ["", None, "x"]}
    assert LabelSet(frame=pd.DataFrame(rows)).frame["note"].tolist() == [None, None, "x"]
