"""Push against as much of Label Studio as it asks for; the real one is in the service test."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pandas as pd
import pytest
from label_studio_campaign import N, Rubric, answers, campaign_folder, keys, transcripts
from label_studio_fake import Fake

from grader.errors import InputError
from grader.redaction import Redaction
from grader.verdict.frame import typed
from labels import label_config, read_labels
from labels.label_studio.connect import Studio, find_or_make_project
from labels.label_studio.folder import pull_campaign, push_campaign
from labels.label_studio.push import push_tasks, task_key
from labels.label_studio.record import read_record


def test_a_second_push_adds_only_what_is_new(fake: Fake, studio: Studio, folder: Path, tmp_path: Path) -> None:
    record, first = push_campaign(studio, folder)
    assert (first.new, first.there, record.title, record.marking) == (N, 0, "round1", "blind")
    _, second = push_campaign(studio, folder)
    assert (second.new, second.there, second.doubles) == (0, N, 0)
    _, third = push_campaign(studio, campaign_folder(tmp_path / "more", N + 3), title="round1")
    assert (third.new, third.there) == (3, N)
    assert len(keys(fake)) == len(set(keys(fake))) == N + 3
    assert len(fake.projects) == 1


def test_tasks_come_in_no_order_of_theirs(fake: Fake, studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    order = [task["data"]["transcript_id"] for task in fake.tasks.values()]
    assert order != sorted(order)
    assert sorted(order) == [t.id for t in transcripts()]


def test_a_push_cut_off_anywhere_is_made_whole_by_the_next(fake: Fake, studio: Studio, folder: Path) -> None:
    """Every request of a push fails in turn, once before and once after the server did what it was asked."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for broken in range(1, 9):
        for done in (False, True):
            seen: list[str] = []

            def fault(
                method: str, path: str, broken: int = broken, done: bool = done, seen: list[str] = seen
            ) -> tuple[int, object] | None:
                seen.append(path)
                if len(seen) != broken:
                    return None
                if done and path.endswith("/import"):  # part of the batch arrived, the answer did not
                    fake.answer(method, path, {}, [t for t in tasks if task_key(t["data"]) not in keys(fake)][:2])
                return 500, {"detail": "out of order"}

            fake.fault = fault
            with contextlib.suppress(InputError):
                push_campaign(studio, folder)
            assert len(keys(fake)) == len(set(keys(fake)))
    fake.fault = lambda method, path: None
    push_campaign(studio, folder)
    assert len(keys(fake)) == len(set(keys(fake))) == N


def test_doubles_go_but_never_what_somebody_worked_on(fake: Fake, studio: Studio, folder: Path) -> None:
    _, _ = push_campaign(studio, folder)
    again = [dict(fake.tasks[number]) for number in range(1, 5)]
    fake.answer("POST", "/api/projects/1/import", {}, again)
    first, second, third, fourth = (task["data"]["transcript_id"] for task in again)
    numbers = {id_: [n for n, t in fake.tasks.items() if t["data"]["transcript_id"] == id_] for id_ in (first, second)}
    fake.annotate(numbers[first][1], 2, answers("yes"))
    for number in numbers[second]:
        fake.annotate(number, 2, answers("yes"))
    _, pushed = push_campaign(studio, folder)
    assert pushed.doubles == 3
    assert [n in fake.tasks for n in numbers[first]] == [False, True]
    assert [n in fake.tasks for n in numbers[second]] == [True, True]
    pull_campaign(studio, folder)
    labels = read_labels(folder / "labels.parquet")
    assert set(labels.frame["transcript_id"]) == {first, second}
    assert labels.consensus().query("harm == 'blackmail'")["y"].tolist() == [1.0, 1.0]


def test_other_messages_under_a_known_id_are_refused(studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    tasks = json.loads((folder / "tasks.json").read_text())
    tasks[0]["data"]["content_hash"] = "another"
    (folder / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(InputError, match=r"transcript 't00', round 1: was pushed before with other messages"):
        push_campaign(studio, folder)


def test_one_title_two_pages_is_refused(studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder, title="study")
    with pytest.raises(InputError, match="has another labelling page than the campaign"):
        find_or_make_project(studio, "study", label_config([Rubric("sabotage")]))


def test_of_two_projects_the_one_in_use_is_taken(fake: Fake, studio: Studio, folder: Path) -> None:
    config = (folder / "label_config.xml").read_text()
    for _ in range(2):
        fake.answer("POST", "/api/projects/", {}, {"title": "study", "label_config": config})
    fake.answer("POST", "/api/projects/2/import", {}, json.loads((folder / "tasks.json").read_text()))
    project, new = find_or_make_project(studio, "study", config)
    assert (project.id, new) == (2, False)


def test_redaction_is_recorded_and_cannot_change_half_way(fake: Fake, studio: Studio, folder: Path) -> None:
    redaction = Redaction()
    record, _ = push_campaign(studio, folder, redaction=redaction)
    assert (record.redaction, dict(record.redacted)) == (redaction.version, {"email": N})
    assert read_record(folder) == record
    shown = [task["data"] for task in fake.tasks.values()]
    assert all(data["redacted"] == 1 and "@" not in json.dumps(data["dialogue"]) for data in shown)
    with pytest.raises(InputError, match="begun with redaction"):
        push_campaign(studio, folder)


def test_prelabelling_shows_the_judge_and_is_recorded(fake: Fake, studio: Studio, folder: Path) -> None:
    quote = {"message": 0, "start": 9, "end": 17, "quote": "a0@b.com", "verified": True}
    rows = [
        {"transcript_id": f"t{i:02}", "harm": harm, "grader": "j", "grader_version": "7", "present": present}
        | {"stage": "attempted" if present else "none", "evidence": [quote] if present else [], "outcome": outcome}
        for i in range(N)
        for harm, present, outcome in (
            ("blackmail", i == 0, "scored"),
            ("leaking", None if i == 1 else False, "refused" if i == 1 else "scored"),
        )
    ]
    record, _ = push_campaign(studio, folder, verdicts=typed(pd.DataFrame(rows)))
    assert record.marking == "pre-annotated"
    assert fake.projects[1]["show_collab_predictions"] is True
    (first,) = fake.tasks[fake.task_of("t00")]["predictions"]
    assert first["model_version"] == "j 7"
    said = [(r["from_name"], r["value"].get("choices") or r["value"]["paragraphlabels"]) for r in first["result"]]
    assert said == [
        ("blackmail", ["yes"]),
        ("blackmail_stage", ["attempted"]),
        ("evidence", ["blackmail"]),
        ("leaking", ["no"]),
    ]
    span = first["result"][2]["value"]
    text = fake.tasks[fake.task_of("t00")]["data"]["dialogue"][int(span["start"])]["text"]
    assert text[span["startOffset"] : span["endOffset"]] == span["text"] == "a0@b.com"
    (second,) = fake.tasks[fake.task_of("t01")]["predictions"]
    assert [r["from_name"] for r in second["result"]] == ["blackmail"]
    fake.annotate(fake.task_of("t00"), 2, answers("yes"))
    frame = pull_campaign(studio, folder).growth.frame
    assert frame["prelabelled"].all()
    with pytest.raises(InputError, match="begun with marking pre-annotated, not blind"):
        push_campaign(studio, folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [("[", "not whole JSON"), ("[]", "holds no tasks"), ("[3]", "record 1: is no task"), (None, "cannot be read")],
)
def test_broken_tasks(studio: Studio, folder: Path, content: str | None, told: str) -> None:
    path = folder / "tasks.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=told):
        push_campaign(studio, folder)


def test_tasks_without_id_or_twice(studio: Studio) -> None:
    project, _ = find_or_make_project(studio, "p", label_config([Rubric("leaking")]))
    one = {"data": {"transcript_id": "t", "content_hash": "h"}}
    with pytest.raises(InputError, match="task number 2: carries no transcript_id"):
        push_tasks(studio, project, [one, {"data": {"text": "x"}}])
    with pytest.raises(InputError, match="transcript 't': occurs twice"):
        push_tasks(studio, project, [one, one])


@pytest.mark.parametrize("content", ["{", "{}", '{"url": 1}'])
def test_a_broken_record(studio: Studio, folder: Path, content: str) -> None:
    (folder / "campaign.json").write_text(content)
    with pytest.raises(InputError, match="campaign.json: is no record of a campaign"):
        pull_campaign(studio, folder)
