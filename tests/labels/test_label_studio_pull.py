"""Pull and adjudicate against as much of Label Studio as they ask for; the real one is in the service test."""

from __future__ import annotations

from pathlib import Path

import pytest
from label_studio_campaign import N, answers, keys
from label_studio_fake import TOKEN, Fake, slow

from grader.errors import InputError
from labels import read_labels
from labels.label_studio.connect import Studio, connect
from labels.label_studio.folder import adjudicate_campaign, pull_campaign, push_campaign
from labels.meaning import LabelMeaning


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
    assert pull_campaign(studio, folder, meaning=LabelMeaning(control_map=mapped)).growth.changed == 0
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
