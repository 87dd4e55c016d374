"""Labelling pages on a real Label Studio: ours with definitions and views, and one that a team set up itself."""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from campaign import HARM, transcripts, write_campaign
from label_studio_server import Server, User, find_label_studio, label_studio

from calibration.study import run_study
from calibration.study.campaign.sample_plan import SamplePlan
from calibration.study.campaign.sampling import sample_for_labelling
from calibration.study.campaign.status import campaign_status
from calibration.study.inputs import Sources
from grader.verdict.frame import typed
from grader.verdict.read import read_verdicts
from labels import LabelSet, read_label_studio, read_labels
from labels.label_studio.connect import Studio, connect
from labels.label_studio.folder import pull_campaign, push_campaign
from labels.label_studio.importing import import_labels
from labels.meaning import LabelMeaning
from labels.sampling.designs import read_design

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(find_label_studio() is None, reason="no Label Studio here (HARMRATE_LABEL_STUDIO)"),
    # The SDK exchanges personal access tokens through an old name of pydantic.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated"),
]

NAMES = ("ana", "bo", "cy")
TRUTH = {t.id: bool(t.metadata["harmful"]) for t in transcripts()}
OWN_PAGE = """<View>
<ParagraphLabels name="spans" toName="conv"><Label value="Lie"/><Label value="Threat"/></ParagraphLabels>
<Paragraphs name="conv" value="$turns" layout="dialogue" nameKey="speaker" textKey="content"/>
<Choices name="assessment" toName="conv" choice="single" required="true">
<Choice value="Honest"/><Choice value="Misleading"/><Choice value="Outright lie"/><Choice value="Cannot tell"/>
</Choices></View>"""
MEANING = LabelMeaning(
    control_map={"assessment": {"deception": ["Outright lie", "Misleading"]}},
    unsure={"assessment": ["Cannot tell"]},
    rest="no",
    id_field="conv_id",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kept = os.environ.get("HARMRATE_LABEL_STUDIO_DATA")
    with label_studio(Path(kept) if kept else tmp_path_factory.mktemp("label-studio")) as running:
        yield running


@pytest.fixture(scope="module")
def raters(server: Server) -> dict[str, User]:
    return {name: server.sign_up(f"{name}@example.org") for name in NAMES}


@pytest.fixture
def studio(server: Server) -> Iterator[Studio]:
    with connect(server.url, server.owner.personal_token) as client:
        yield client


def call(server: Server, user: User, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Token {user.token}"}
    answer = httpx.request(method, f"{server.url}{path}", headers=headers, json=body, timeout=60)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def choice(control: str, value: str, to: str = "dialogue") -> dict[str, Any]:
    return {"from_name": control, "to_name": to, "type": "choices", "value": {"choices": [value]}}


def span(control: str, label: str, to: str = "dialogue") -> dict[str, Any]:
    place = {"start": "1", "end": "1", "startOffset": 0, "endOffset": 4, "text": "The "}
    value = place | {"paragraphlabels": [label]}
    return {"from_name": control, "to_name": to, "type": "paragraphlabels", "value": value}


def answer(says: bool) -> list[dict[str, Any]]:
    stage, word = ("completed", "yes") if says else ("considered", "no")
    sure = {"from_name": "confidence", "to_name": "dialogue", "type": "rating", "value": {"rating": 4}}
    marked = [span("evidence", HARM)] if says else []
    return [choice(HARM, word), choice(f"{HARM}_stage", stage), sure, *marked]


def label_all(server: Server, studio: Studio, project: int, raters: dict[str, User], round_: int) -> int:
    """Every rater answers, rightly, the tasks of a round that are theirs."""
    done = 0
    for task in studio.client.tasks.list(project=project, page_size=200):
        for name in task.data["raters"] if task.data["round"] == round_ else ():
            body = {"result": answer(TRUTH[task.data["transcript_id"]]), "lead_time": 9.0}
            call(server, raters[name], "POST", f"/api/tasks/{task.id}/annotations/", body)
            done += 1
    return done


def test_a_pool_that_grows_between_rounds(
    server: Server, studio: Studio, raters: dict[str, User], tmp_path: Path
) -> None:
    data = write_campaign(tmp_path)
    lines = data.transcripts.read_text().splitlines()
    early = tmp_path / "early.jsonl"
    early.write_text("\n".join(lines[:160]) + "\n")
    title = f"grown-{uuid.uuid4().hex[:8]}"
    verdicts = read_verdicts(data.verdicts)
    first = verdicts[verdicts["transcript_id"].isin([json.loads(line)["id"] for line in lines[:160]])]
    first.to_json(tmp_path / "first.jsonl", orient="records", lines=True)
    folders = []
    for number, (logs, graded) in enumerate(((early, tmp_path / "first.jsonl"), (data.transcripts, data.verdicts)), 1):
        folders.append(tmp_path / f"round{number}")
        earlier = folders[0] / "design.csv" if number == 2 else None
        plan = SamplePlan(n=30, raters=NAMES, overlap=2, round=number, earlier=earlier, seed=number)
        sample_for_labelling(Sources(transcripts=[str(logs)], verdicts=graded), plan, folders[-1])
        record, pushed = push_campaign(studio, folders[-1], title=title)
        assert pushed.new == 30
        assert label_all(server, studio, record.project, raters, number) == 60
    assert pushed.page == f"{server.url}/projects/{record.project}/data"
    assert set(pushed.links) == set(NAMES)
    assert len(set(pushed.links.values())) == 3
    assert push_campaign(studio, folders[-1], title=title)[1].links == pushed.links
    shown = call(server, server.owner, "GET", f"/api/projects/{record.project}/")
    assert "What the system prompt, the owner" in shown["expert_instruction"]
    assert shown["show_instruction"]
    view = pushed.links["ana"].partition("tab=")[2]
    mine = call(server, server.owner, "GET", f"/api/tasks?view={view}&page_size=100")
    assert mine["total"] == 0  # all that were ana's are done

    pull_campaign(studio, folders[-1])
    labels = read_labels(folders[-1] / "labels.parquet")
    assert labels.named().raters == tuple(f"{name}@example.org" for name in NAMES)
    design = read_design(folders[-1] / "design.csv")
    grown = design[~design["transcript_id"].isin(first["transcript_id"])]
    assert grown["inclusion_probability"].unique() == pytest.approx([30 / 240])
    (rate,) = run_study(verdicts, labels, design=design).rates
    assert rate.estimate.low <= sum(TRUTH.values()) / len(TRUTH) <= rate.estimate.high
    (harm,) = campaign_status(labels, [design], verdicts).harms
    assert harm.n_labelled == int(design["drawn"].sum())

    report = run_study(verdicts.assign(stage="completed"), labels, design=design)
    stages = {f.agreement.statistic: f.agreement for f in report.agreement if f.between == ("human", "human")}
    assert stages["stage_alpha_ordinal"].value == pytest.approx(1.0)
    assert {f.estimate.n_labeled for f in report.considered} == {harm.n_labelled}


def own_project(server: Server, studio: Studio) -> tuple[int, dict[str, int]]:
    """A project as a team sets it up: 12 conversations, the id in a field of their own."""
    owner = server.owner
    body = {"title": f"ours-{uuid.uuid4().hex[:8]}", "label_config": OWN_PAGE}
    project = call(server, owner, "POST", "/api/projects", body)["id"]
    turns = [{"speaker": "user", "content": "Is it done?"}, {"speaker": "agent", "content": "It is."}]
    tasks = [{"data": {"conv_id": f"c{i:02}", "turns": turns}} for i in range(12)]
    call(server, owner, "POST", f"/api/projects/{project}/import", tasks)
    return project, {t.data["conv_id"]: t.id for t in studio.client.tasks.list(project=project, page_size=50)}


def read(server: Server, project: int, kind: str, folder: Path, meaning: LabelMeaning) -> LabelSet:
    headers = {"Authorization": f"Token {server.owner.token}"}
    url = f"{server.url}/api/projects/{project}/export?exportType={kind}"
    path = folder / f"export.{'json' if kind.startswith('JSON') else kind.lower()}"
    path.write_bytes(httpx.get(url, headers=headers, timeout=60).raise_for_status().content)
    (folder / "label_config.xml").write_text(OWN_PAGE)
    return read_label_studio(
        path,
        control_map=meaning.control_map,
        unsure=meaning.unsure,
        rest=meaning.rest,
        id_field=meaning.id_field,
    )


def test_a_page_that_a_team_set_up_itself(
    server: Server, studio: Studio, raters: dict[str, User], tmp_path: Path
) -> None:
    project, tasks = own_project(server, studio)
    words = ["Outright lie", "Misleading", "Cannot tell", *["Honest"] * 9]
    given: dict[tuple[str, str], int] = {}
    for name, user in raters.items():
        for (conversation, task), word in zip(sorted(tasks.items()), words, strict=True):
            marks = [span("spans", "Lie", "conv")] if word == "Outright lie" else []
            body = {"result": [choice("assessment", word, "conv"), *marks], "lead_time": 5.0}
            url = f"/api/tasks/{task}/annotations/"
            given[name, conversation] = call(server, user, "POST", url, body)["id"]
    for kind in ("JSON", "JSON_MIN", "CSV", "TSV"):
        labels = read(server, project, kind, tmp_path, MEANING)
        votes = Counter(zip(labels.frame["status"], labels.frame["label"].fillna(-1), strict=True))
        assert votes == {("definite", 1.0): 6, ("definite", 0.0): 27, ("unsure", -1.0): 3}, kind
        spans = read(server, project, kind, tmp_path, LabelMeaning(control_map={"spans": {"deception": ["Lie"]}}))
        assert Counter(spans.frame["label"]) == {1.0: 3, 0.0: 33}, kind

    # Answered once more by the same rater: the later answer counts; deleted again, the first one does.
    history = tmp_path / "labels.parquet"
    body = {"result": [choice("assessment", "Honest", "conv")], "lead_time": 5.0}
    again = call(server, raters["ana"], "POST", f"/api/tasks/{tasks['c00']}/annotations/", body)["id"]
    assert read(server, project, "JSON", tmp_path, MEANING).notes != ()
    import_labels(tmp_path / "export.json", history, MEANING)
    ana = str(raters["ana"].id)
    assert said(read_labels(history), "c00", ana) == 0.0
    call(server, raters["ana"], "DELETE", f"/api/annotations/{again}/")
    read(server, project, "JSON", tmp_path, MEANING)
    growth, _ = import_labels(tmp_path / "export.json", history, MEANING)
    assert growth.gone == 1
    assert said(read_labels(history), "c00", ana) == 1.0

    verdicts = pd.DataFrame({"transcript_id": sorted(tasks), "harm": "deception", "grader": "judge", "present": False})
    (rate,) = run_study(typed(verdicts), read_labels(history), design="uniform").rates
    assert (rate.estimate.n_labeled, rate.estimate.n_harmful) == (11, 2)


def said(labels: LabelSet, conversation: str, rater: str) -> float:
    rows = labels.votes()
    (label,) = rows.loc[(rows["transcript_id"] == conversation) & (rows["rater"] == rater), "label"]
    return float(label)
