"""Push, pull and adjudicate against as much of Label Studio as they ask for; the real one is in the service test."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from label_studio_fake import TOKEN, Fake, fake_label_studio, slow

from grader.errors import InputError
from grader.redaction import Redaction
from grader.transcript import Message, Transcript
from grader.verdict_frame import typed
from labels import label_config, read_labels, write_tasks
from labels.designs import draw_sample, write_design
from labels.label_studio.connect import Studio, connect, find_or_make_project
from labels.label_studio.folder import adjudicate_campaign, pull_campaign, push_campaign
from labels.label_studio.push import push_tasks, task_key
from labels.label_studio.record import read_record

HARMS = ("blackmail", "leaking")
N = 12


class Rubric:
    def __init__(self, name: str) -> None:
        self.name, self.title = name, name.title()


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fake_label_studio() as server:
        server.users |= {2: "ana@example.org", 3: "bo@example.org", 4: "cy@example.org"}
        yield server


@pytest.fixture
def studio(fake: Fake) -> Iterator[Studio]:
    with connect(fake.url, TOKEN, timeout=20, retries=0) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return campaign_folder(tmp_path / "round1")


def transcripts(n: int = N) -> list[Transcript]:
    return [
        Transcript(id=f"t{i:02}", messages=(Message(role="user", kind="text", text=f"Write to a{i}@b.com."),))
        for i in range(n)
    ]


def campaign_folder(folder: Path, n: int = N, seed: int = 1) -> Path:
    import numpy as np

    pool = pd.DataFrame({"transcript_id": [t.id for t in transcripts(n)]})
    design = draw_sample(pool, n, rng=np.random.default_rng(seed), harms=list(HARMS))
    write_tasks(transcripts(n), design, folder / "tasks.json")
    write_design(design, folder / "design.csv")
    (folder / "label_config.xml").write_text(label_config([Rubric(harm) for harm in HARMS]))
    return folder


def answers(blackmail: str, leaking: str = "no") -> dict[str, str]:
    return {"blackmail": blackmail, "leaking": leaking}


def keys(fake: Fake) -> list[tuple]:
    return sorted(task_key(task["data"]) for task in fake.tasks.values())


# ---- Push -----------------------------------------------------------------------------------------------------------


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


# ---- Pull -----------------------------------------------------------------------------------------------------------


def test_pull_while_people_work(fake: Fake, studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    task = fake.task_of("t03")
    made = fake.annotate(task, 2, answers("yes"))
    draft = {"id": 1, "user": "bo@example.org", "created_username": "bo@example.org, 3", "result": made["result"]}
    fake.tasks[task]["drafts"].append(draft | {"created_at": fake.now(), "updated_at": fake.now(), "lead_time": 3})
    skip = fake.annotate(fake.task_of("t04"), 4, {}, was_cancelled=True)
    assert pull_campaign(studio, folder).growth.new == 6
    assert pull_campaign(studio, folder).growth.new == 0

    made["result"][0]["value"]["choices"] = ["no"]
    made["updated_at"] = fake.now()
    fake.tasks[task]["drafts"].clear()
    fake.annotate(task, 3, answers("unsure"))
    skip["ground_truth"] = False
    growth = pull_campaign(studio, folder).growth
    assert (growth.new, growth.changed, growth.gone) == (2, 2, 2)
    labels = read_labels(folder / "labels.parquet")
    by = {(r.transcript_id, r.rater, r.harm): r for r in labels.frame.itertuples()}
    assert by["t03", "2", "blackmail"].label == 0.0
    assert by["t03", "3", "blackmail"].status == "unsure"
    assert by["t04", "4", "leaking"].status == "skipped"
    assert by["t03", "2", "blackmail"].rater_email == "ana@example.org"
    assert by["t03", "2", "blackmail"].seconds == 9.5


def test_an_edited_task_an_unknown_transcript_and_a_shared_address_are_told(
    fake: Fake, studio: Studio, folder: Path
) -> None:
    push_campaign(studio, folder)
    for id_ in ("t01", "t02", "t03"):
        fake.annotate(fake.task_of(id_), 2, answers("yes"))
    fake.users[3] = "Ana@Example.org "
    fake.annotate(fake.task_of("t03"), 3, answers("yes"))
    fake.tasks[fake.task_of("t01")]["data"]["dialogue"][0]["text"] = "something else"
    data = fake.tasks[fake.task_of("t02")]["data"] | {"transcript_id": "stranger"}
    fake.tasks[fake.task_of("t02")]["data"] = data
    pulled = pull_campaign(studio, folder)
    assert [note.split(":")[0] for note in pulled.notes] == [
        "tasks that were edited on the server",
        "transcripts that are not of this campaign",
        "raters 2 and 3 have one e-mail address, ana@example.org",
    ]
    assert pulled.growth.new == 8
    assert set(read_labels(folder / "labels.parquet").frame["transcript_id"]) == {"t03"}
    fake.tasks[fake.task_of("t01")]["data"]["dialogue"][0]["text"] = "Write to a1@b.com."
    assert pull_campaign(studio, folder).growth.changed == 2
    assert set(read_labels(folder / "labels.parquet").frame["transcript_id"]) == {"t01", "t03"}


def test_a_renamed_control_takes_no_label_away(fake: Fake, studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    fake.annotate(fake.task_of("t01"), 2, answers("yes"))
    pull_campaign(studio, folder)
    before = (folder / "labels.parquet").read_bytes()
    config = fake.projects[1]["label_config"]
    fake.projects[1]["label_config"] = config.replace('"blackmail', '"extortion')
    with pytest.raises(InputError, match="1 annotations answer control 'blackmail', which the labelling page no"):
        pull_campaign(studio, folder)
    assert (folder / "labels.parquet").read_bytes() == before
    mapped = {"blackmail": {"blackmail": ["yes"]}, "leaking": {"leaking": ["yes"]}}
    assert pull_campaign(studio, folder, control_map=mapped).growth.changed == 0
    fake.projects[1]["label_config"] = config
    assert pull_campaign(studio, folder).growth.changed == 0


REFUSALS: tuple[tuple[int, object, str], ...] = (
    (401, {"detail": "Invalid token."}, r"the token was rejected.*\(401\)"),
    (403, {"detail": "no"}, r"the token's account may not do this \(403\)"),
    (404, "<html>\n404\n</html>", r"no such project; was it deleted\? \(404\)"),
    (413, "too\nlarge", r"larger than the server takes \(413\)"),
    (400, {"validation_errors": {"title": ["Too\nlong."]}}, r"Too long. \(400\)"),
    (500, "<html>\noops\n</html>", r"the server failed; nothing is lost.*\(500\)"),
    (200, "<html>\nlog in\n</html>", r"does not answer like Label Studio"),
)


@pytest.mark.parametrize("where", ["GET /api/projects/", "POST", "GET /api/tasks/", "/export", "/api/users/"])
def test_a_refusal_anywhere_is_one_line_and_loses_nothing(fake: Fake, studio: Studio, folder: Path, where: str) -> None:
    push_campaign(studio, folder)
    fake.annotate(fake.task_of("t01"), 2, answers("yes"))
    pull_campaign(studio, folder)
    fake.annotate(fake.task_of("t02"), 2, answers("no"))
    del fake.tasks[fake.task_of("t05")]
    labels, tasks = (folder / "labels.parquet").read_bytes(), keys(fake)
    pulling = "export" in where or "users" in where
    for status, body, told in REFUSALS:
        fake.fault = lambda method, path, told=(status, body): told if where in f"{method} {path}" else None
        with pytest.raises(InputError, match=told) as error:
            _ = pull_campaign(studio, folder) if pulling else push_campaign(studio, folder)
        assert "\n" not in str(error.value)
        assert TOKEN not in str(error.value)
        assert (folder / "labels.parquet").read_bytes() == labels
        assert keys(fake) == tasks
    fake.fault = lambda method, path: None
    _, pushed = push_campaign(studio, folder)
    assert (pushed.new, pushed.there) == (1, N - 1)
    assert pull_campaign(studio, folder).growth.new == 2


def test_a_project_deleted_half_way(fake: Fake, studio: Studio, folder: Path) -> None:
    def delete(method: str, path: str) -> None:
        if path.endswith("/import"):
            fake.projects.clear()

    fake.fault = delete
    with pytest.raises(InputError, match="project 1: there is no such project; was it deleted"):
        push_campaign(studio, folder)
    fake.fault = lambda method, path: None
    with pytest.raises(InputError, match="was it deleted"):
        push_campaign(studio, folder)
    fake.tasks.clear()
    record, pushed = push_campaign(studio, folder, title="anew")
    assert (record.title, pushed.new) == ("anew", N)


def test_a_server_that_does_not_answer(fake: Fake, folder: Path) -> None:
    with connect(fake.url, TOKEN) as patient:
        push_campaign(patient, folder)
    fake.fault = slow(0.5)
    with (
        connect(fake.url, TOKEN, timeout=0.05, retries=0) as hasty,
        pytest.raises(InputError, match="no answer in time; nothing is lost"),
    ):
        pull_campaign(hasty, folder)


def test_nobody_at_that_address(folder: Path) -> None:
    with (
        connect("http://127.0.0.1:1", TOKEN, retries=0) as nobody,
        pytest.raises(InputError, match=r"http://127.0.0.1:1: project 'round1': cannot be reached"),
    ):
        push_campaign(nobody, folder)


@pytest.mark.parametrize("token", ["", "two words", "n\u00f6", "line\nbreak"])
def test_what_is_no_token_is_not_repeated(token: str) -> None:
    with (
        pytest.raises(InputError, match="the token of Label Studio must be one word") as error,
        connect("http://127.0.0.1:1", token),
    ):
        pass
    assert not token or token not in str(error.value)


# ---- Adjudication ---------------------------------------------------------------------------------------------------


def test_disagreements_come_back_as_ground_truth(fake: Fake, studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    for id_, votes in {"t01": ("yes", "no"), "t02": ("unsure", "unsure"), "t03": ("no", "no")}.items():
        for rater, vote in enumerate(votes, 2):
            fake.annotate(fake.task_of(id_), rater, answers(vote))
    _, first = adjudicate_campaign(studio, folder)
    assert (first.new, first.there) == (2, 0)
    _, again = adjudicate_campaign(studio, folder)
    assert (again.new, again.there) == (0, 2)
    tasks = {
        t["data"]["transcript_id"]: t["data"] for t in fake.tasks.values() if t["data"]["purpose"] == "adjudication"
    }
    assert {id_: data["why"] for id_, data in tasks.items()} == {"t01": "tie", "t02": "unsure"}
    assert "raters" not in tasks["t01"]
    fake.annotate(fake.task_of("t01", "adjudication"), 4, answers("yes"))
    pulled, third = adjudicate_campaign(studio, folder)
    assert (third.new, third.there) == (0, 1)
    consensus = (
        read_labels(folder / "labels.parquet").consensus().query("harm == 'blackmail'").set_index("transcript_id")
    )
    assert consensus["how"].to_dict() == {"t01": "ground_truth", "t02": "none", "t03": "majority"}
    assert consensus.loc["t01", "y"] == 1.0
    assert pulled.notes == ()


def test_nothing_pulled_nothing_to_adjudicate(studio: Studio, folder: Path) -> None:
    with pytest.raises(InputError, match="nothing was pushed from here"):
        adjudicate_campaign(studio, folder)
    push_campaign(studio, folder)
    _, pushed = adjudicate_campaign(studio, folder)
    assert (pushed.new, pushed.there) == (0, 0)


def test_a_disputed_task_that_is_gone_is_told(fake: Fake, studio: Studio, folder: Path) -> None:
    push_campaign(studio, folder)
    for rater, vote in ((2, "yes"), (3, "no")):
        fake.annotate(fake.task_of("t01"), rater, answers(vote))
    pull_campaign(studio, folder)
    del fake.tasks[fake.task_of("t01")]
    with pytest.raises(InputError, match="transcript 't01': raters disagree on it, but its task is gone"):
        adjudicate_campaign(studio, folder)
    assert read_labels(folder / "labels.parquet").consensus().query("harm == 'blackmail'")["y"].tolist() == [0.5]


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
