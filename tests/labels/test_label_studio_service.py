"""A whole campaign on a real Label Studio: pushed, labelled by three raters, pulled, estimated, adjudicated."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from campaign import HARM, N, transcripts, write_campaign
from label_studio_server import Server, User, find_label_studio, label_studio

from calibration.study import run_study
from calibration.study.campaign.sample_plan import SamplePlan
from calibration.study.campaign.sampling import sample_for_labelling
from calibration.study.inputs import Sources
from grader.errors import InputError
from grader.rubrics import load_rubrics
from grader.verdict.read import read_verdicts
from labels.history import IDENTITY, SAID, read_history
from labels.label_studio.connect import Studio, connect
from labels.label_studio.folder import adjudicate_campaign, pull_campaign, push_campaign
from labels.label_studio.push import task_key
from labels.label_studio.record import read_record
from labels.raters import rater_report
from labels.read import read_labels
from labels.sampling.designs import read_design

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(find_label_studio() is None, reason="no Label Studio here (HARMRATE_LABEL_STUDIO)"),
    # The SDK exchanges personal access tokens through an old name of pydantic.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated"),
]

DRAWN = 200
# How often each rater sees a harm that is there, and leaves alone what is none.
SKILL = {"ana": (0.95, 0.99), "bo": (0.85, 0.97), "cy": (0.75, 0.95)}
KILLS = int(os.environ.get("HARMRATE_KILLS", "4"))
ROOT = Path(__file__).resolve().parents[2]
TRUTH = {t.id: bool(t.metadata["harmful"]) for t in transcripts()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kept = os.environ.get("HARMRATE_LABEL_STUDIO_DATA")
    with label_studio(Path(kept) if kept else tmp_path_factory.mktemp("label-studio")) as running:
        yield running


@pytest.fixture(scope="module")
def raters(server: Server) -> dict[str, User]:
    return {name: server.sign_up(f"{name}@example.org") for name in SKILL}


@pytest.fixture
def studio(server: Server) -> Iterator[Studio]:
    with connect(server.url, server.owner.personal_token) as client:
        yield client


@contextmanager
def acting(server: Server, user: User) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Token {user.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as web:
        yield web


def sampled(folder: Path, n: int = DRAWN) -> Path:
    """A campaign's folder named as no project before."""
    round1 = folder / f"study-{uuid.uuid4().hex[:8]}"
    data = write_campaign(folder)
    sources = Sources(transcripts=[str(data.transcripts)], verdicts=data.verdicts)
    asked = tuple(load_rubrics())
    plan = SamplePlan(n=n, design="flagged-25", raters=tuple(SKILL), overlap=2, seed=3, harms=asked)
    sample_for_labelling(sources, plan, round1)
    return round1


def result(says: bool | None, harms: tuple[str, ...] = tuple(load_rubrics())) -> list[dict[str, object]]:
    word = {True: "yes", False: "no", None: "unsure"}[says]
    return [
        {"from_name": h, "to_name": "dialogue", "type": "choices", "value": {"choices": [word if h == HARM else "no"]}}
        for h in harms
    ]


def tasks_of(studio: Studio, project: int, rater: str | None = None) -> dict[str, int]:
    found = studio.client.tasks.list(project=project, page_size=100)
    return {t.data["transcript_id"]: t.id for t in found if rater is None or rater in t.data["raters"]}


def work(server: Server, rater: User, tasks: dict[str, int], votes: dict[str, bool], pause: float = 0) -> None:
    with acting(server, rater) as web:
        for id_, says in votes.items():
            time.sleep(pause)
            body = {"result": result(says), "lead_time": 20.0}
            web.post(f"/api/tasks/{tasks[id_]}/annotations/", json=body).raise_for_status()


def votes_of(name: str, ids: list[str], rng: np.random.Generator) -> dict[str, bool]:
    sensitivity, specificity = SKILL[name]
    return {id_: bool(rng.random() < (sensitivity if TRUTH[id_] else 1 - specificity)) for id_ in ids}


def test_a_whole_campaign(server: Server, studio: Studio, raters: dict[str, User], tmp_path: Path) -> None:
    round1 = sampled(tmp_path)
    record, pushed = push_campaign(studio, round1)
    assert (pushed.new, pushed.there) == (DRAWN, 0)
    assert push_campaign(studio, round1)[1].new == 0
    tasks = tasks_of(studio, record.project)
    rng = np.random.default_rng(11)
    votes = {name: votes_of(name, sorted(tasks_of(studio, record.project, name)), rng) for name in SKILL}
    assert sorted(len(own) for own in votes.values()) == [133, 133, 134]
    for name, user in raters.items():
        work(server, user, tasks, votes[name])

    pulled = pull_campaign(studio, round1)
    assert pulled.growth.new == 2 * DRAWN * len(load_rubrics())
    assert pulled.notes == ()
    labels = read_labels(round1 / "labels.parquet")
    cast = {(id_, str(raters[name].id)): float(v) for name, own in votes.items() for id_, v in own.items()}
    read = labels.votes(HARM)
    assert dict(zip(zip(read["transcript_id"], read["rater"], strict=True), read["label"], strict=True)) == cast
    assert set(labels.frame["rater_email"]) == {f"{name}@example.org" for name in SKILL}
    report = rater_report(labels, HARM).set_index("rater")
    assert report.loc[str(raters["ana"].id), "agreement"] > report.loc[str(raters["cy"].id), "agreement"]

    # The estimate holds the pool's true rate.
    design = read_design(round1 / "design.csv")
    verdicts = read_verdicts(tmp_path / "verdicts.jsonl")
    (rate,) = run_study(verdicts, labels, design=design).rates
    assert rate.estimate.n_labeled == DRAWN
    assert rate.estimate.low <= sum(TRUTH.values()) / N <= rate.estimate.high

    said = {id_: [own[id_] for own in votes.values() if id_ in own] for id_ in tasks}
    torn = {id_ for id_, both in said.items() if both[0] != both[1]}
    _, sent = adjudicate_campaign(studio, round1)
    assert (sent.new, sent.there) == (len(torn), 0)
    assert adjudicate_campaign(studio, round1)[1].new == 0
    again = [t for t in studio.client.tasks.list(project=record.project) if t.data["purpose"] == "adjudication"]
    assert {t.data["transcript_id"] for t in again} == torn
    truth = {t.data["transcript_id"]: t.id for t in again}
    work(server, server.owner, truth, {id_: TRUTH[id_] for id_ in torn})
    assert pull_campaign(studio, round1).growth.new == len(torn) * len(load_rubrics())
    settled = read_labels(round1 / "labels.parquet")
    consensus = settled.consensus().query("harm == @HARM", local_dict={"HARM": HARM}).set_index("transcript_id")
    assert set(consensus.index[consensus["how"] == "ground_truth"]) == torn
    unanimous = {id_ for id_ in tasks if id_ not in torn}
    assert all(consensus.loc[id_, "y"] == float(TRUTH[id_]) for id_ in torn)
    assert all(consensus.loc[id_, "y"] == float(said[id_][0]) for id_ in unanimous)
    assert adjudicate_campaign(studio, round1)[1] == type(sent)(new=0, there=0, doubles=0)


def test_edits_drafts_skips_and_deletions(
    server: Server, studio: Studio, raters: dict[str, User], tmp_path: Path
) -> None:
    round1 = sampled(tmp_path, 12)
    record, _ = push_campaign(studio, round1)
    tasks = tasks_of(studio, record.project)
    first, second, third, fourth, *_ = sorted(tasks)
    with acting(server, raters["ana"]) as web:
        url = f"/api/tasks/{tasks[first]}"
        made = web.post(f"{url}/annotations/", json={"result": result(True), "lead_time": 8}).json()
        web.post(f"/api/tasks/{tasks[second]}/annotations/", json={"result": [], "was_cancelled": True})
        web.post(f"/api/tasks/{tasks[third]}/drafts", json={"result": result(None), "lead_time": 2})
        gone = web.post(f"/api/tasks/{tasks[fourth]}/annotations/", json={"result": result(True)}).json()
        assert pull_campaign(studio, round1).growth.new == 12
        web.patch(f"/api/annotations/{made['id']}/", json={"result": result(False)}).raise_for_status()
        web.delete(f"/api/annotations/{gone['id']}/").raise_for_status()
        growth = pull_campaign(studio, round1).growth
        assert (growth.new, growth.changed, growth.gone) == (0, 3, 3)
    labels = read_labels(round1 / "labels.parquet")
    said = labels.frame[labels.frame["harm"] == HARM].set_index("transcript_id")
    assert said["status"].to_dict() == {first: "definite", second: "skipped", third: "draft", fourth: "definite"}
    assert said["label"].to_dict() | {second: None, third: None} == {first: 0.0, second: None, third: None, fourth: 1.0}
    studio.client.projects.delete(record.project)
    before = (round1 / "labels.parquet").read_bytes()
    for job in (pull_campaign, push_campaign, adjudicate_campaign):
        with pytest.raises(InputError, match=r"there is no such project; was it deleted\? \(404\)"):
            job(studio, round1)
    assert (round1 / "labels.parquet").read_bytes() == before


def test_tokens(server: Server, tmp_path: Path) -> None:
    round1 = sampled(tmp_path, 5)
    for number, token in enumerate((server.owner.token, server.owner.personal_token)):
        with connect(server.url, token) as studio:
            assert push_campaign(studio, round1)[1].new == (5 if number == 0 else 0)
    broken = server.owner.personal_token[:-4] + "AAAA"
    for token in ("0" * 40, broken):
        with connect(server.url, token) as studio, pytest.raises(InputError, match=r"token was rejected.*401") as error:
            pull_campaign(studio, round1)
        assert token not in str(error.value)


# Small batches make a push of many requests: then a kill meets one that is under way.
JOB = """
import os, sys
from pathlib import Path
from labels.label_studio import folder, push
from labels.label_studio.connect import connect
push.push_tasks.__kwdefaults__["batch"] = 5
with connect(os.environ["LABEL_STUDIO_URL"], os.environ["LABEL_STUDIO_API_KEY"]) as studio:
    print("at work", flush=True)
    getattr(folder, sys.argv[1])(studio, Path(sys.argv[2]))
"""


def killed(server: Server, job: str, folder: Path, after: float) -> bool:
    """Start a job on a campaign's folder and kill it `after` seconds of work; whether it was still at work."""
    told = {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": server.owner.token}
    command = [sys.executable, "-c", JOB, job, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | told, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        try:
            process.wait(after)
            return False
        except subprocess.TimeoutExpired:
            process.kill()
            return True


def test_killed_pushes_leave_every_task_once(server: Server, studio: Studio, tmp_path: Path) -> None:
    rng, kills, half_way = random.Random(5), 0, 0
    while kills < KILLS:
        round1 = sampled(tmp_path)
        for _ in range(2):
            kills += killed(server, "push_campaign", round1, after=rng.uniform(0.1, 2.5))
            record = read_record(round1)
            half_way += record is not None and 0 < len(tasks_of(studio, record.project)) < DRAWN
        time.sleep(0.5)  # what was on its way when it was killed arrives
        record, _ = push_campaign(studio, round1)
        keys = [task_key(t.data) for t in studio.client.tasks.list(project=record.project, page_size=100)]
        assert len(keys) == len(set(keys)) == DRAWN
    assert half_way > 0


def test_killed_pulls_lose_and_double_nothing(
    server: Server, studio: Studio, raters: dict[str, User], tmp_path: Path
) -> None:
    round1 = sampled(tmp_path)
    record, _ = push_campaign(studio, round1)
    tasks = tasks_of(studio, record.project)
    votes = votes_of("ana", sorted(tasks), np.random.default_rng(3))
    worker = threading.Thread(target=work, args=(server, raters["ana"], tasks, votes, 0.009 * KILLS))
    worker.start()
    rng, kills = random.Random(6), 0
    seen = pd.DataFrame()
    while kills < KILLS:
        kills += killed(server, "pull_campaign", round1, after=rng.uniform(0.0, 1.2))
        history = read_history(round1 / "labels.parquet")
        told = history[[*IDENTITY, *SAID]].astype(str)
        assert told.iloc[: len(seen)].equals(seen) or seen.empty
        seen = told
    worker.join()
    pull_campaign(studio, round1)
    history = read_history(round1 / "labels.parquet")
    assert not history.duplicated(IDENTITY).any()
    found = read_labels(round1 / "labels.parquet").votes(HARM)
    assert dict(zip(found["transcript_id"], found["label"], strict=True)) == {k: float(v) for k, v in votes.items()}
