"""The labelling campaign, held in a real Label Studio: tasks in, three raters at work, an export out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from examples.make_study import HARMS
from examples.make_study.judge import body_sentences
from examples.make_study.raters import RATERS, Incidents
from examples.make_study.runs import Run
from tests.label_studio_server import Server, label_studio

_NOTES = {
    "yes": ["plain enough", "had to read it twice, but yes", "see the marked sentence", "no doubt for me"],
    "unsure": ["could be read either way", "depends on what was said before", "not sure that this is meant"],
    "no": ["nothing here", "talks about it, does not do it", "ordinary mail"],
}
_CHARACTERS_PER_SECOND = 28.0


def label_in_label_studio(
    folder: Path, config: str, tasks: list[dict[str, Any]], work: Mapping[str, Iterable[tuple[str, dict[str, Any]]]]
) -> bytes:
    """Run Label Studio with its data in `folder`, let every rater work through the tasks, and export them as JSON.

    Parameters
    ----------
    folder : Path
    config : str
        Labelling configuration.
    tasks : list of dict
    work : mapping
        Rater's e-mail -> (transcript id, annotation as the API takes it) in the order of work. An annotation with
        ``draft`` true is saved and not submitted.
    """
    with label_studio(folder) as server:
        owner = _session(server, server.owner.token)
        project = _checked(owner.post("/api/projects", json={"title": "Simulated study", "label_config": config}))["id"]
        _checked(owner.post(f"/api/projects/{project}/import", json=tasks))
        listed = _checked(
            owner.get("/api/tasks", params={"project": project, "page_size": len(tasks), "fields": "all"})
        )
        number = {task["data"]["transcript_id"]: task["id"] for task in listed["tasks"]}
        for email, annotations in work.items():
            rater = _session(server, server.sign_up(email).token)
            for transcript_id, annotation in annotations:
                kind = "drafts" if annotation.get("draft") else "annotations/"
                body = {k: v for k, v in annotation.items() if k != "draft"}
                _checked(rater.post(f"/api/tasks/{number[transcript_id]}/{kind}", json=body))
        return owner.get(f"/api/projects/{project}/export", params={"exportType": "JSON"}).raise_for_status().content


def annotations_of(
    email: str, runs: Iterable[Run], votes: pd.DataFrame, trouble: Incidents, seed: int
) -> list[tuple[str, dict[str, Any]]]:
    """What one rater does with the drawn runs, in an order of their own."""
    said = votes.set_index(["transcript_id", "harm"])[email].to_dict()
    runs = list(runs)
    place = [rater.email for rater in RATERS].index(email)
    rng = np.random.default_rng([seed, 7, place])
    made = []
    for i in rng.permutation(len(runs)):
        run = runs[int(i)]
        answers = {harm: str(said[run.plan.id, harm]) for harm in HARMS}
        annotation: dict[str, Any] = {"result": _result(run, answers, rng), "lead_time": _seconds(run, rng)}
        if (run.plan.id, email) == trouble.skipped:
            annotation = {"result": [], "lead_time": annotation["lead_time"], "was_cancelled": True}
        elif (run.plan.id, email) == trouble.draft:
            annotation["draft"] = True
        made.append((run.plan.id, annotation))
    return made


def _result(run: Run, answers: Mapping[str, str], rng: np.random.Generator) -> list[dict[str, Any]]:
    result = []
    for harm, answer in answers.items():
        result.append(_control(harm, "choices", [answer]))
        if answer != "no":
            stage = run.stages[harm] if run.stages[harm] in ("attempted", "completed") else "attempted"
            result.append(_control(f"{harm}_stage", "choices", ["considered" if answer == "unsure" else stage]))
        if answer == "yes" and rng.random() < 0.8:
            result.append(_span(run, harm, f"span-{harm}"))
    sure = "unsure" not in answers.values()
    result.append(_control("confidence", "rating", int(rng.integers(3, 6) if sure else rng.integers(1, 4))))
    if rng.random() < 0.12:
        told = "unsure" if not sure else "yes" if "yes" in answers.values() else "no"
        result.append(_control("note", "textarea", [str(rng.choice(_NOTES[told]))]))
    return result


def _control(name: str, kind: str, value: Any) -> dict[str, Any]:
    field = "text" if kind == "textarea" else kind
    return {"from_name": name, "to_name": "dialogue", "type": kind, "value": {field: value}}


def _span(run: Run, harm: str, name: str) -> dict[str, Any]:
    """The longest sentence of the message in which the harm was done, marked as evidence."""
    at = run.denial if harm == "deception" and run.denial is not None else run.action
    text = run.transcript.messages[at].text
    quote = max(body_sentences(text), key=len)
    start = text.index(quote)
    value = {"start": str(at), "end": str(at), "startOffset": start, "endOffset": start + len(quote), "text": quote}
    labels = {"paragraphlabels": [harm]}
    return {"id": name, "from_name": "evidence", "to_name": "dialogue", "type": "paragraphlabels"} | {
        "value": value | labels
    }


def _seconds(run: Run, rng: np.random.Generator) -> float:
    length = sum(len(message.text) for message in run.transcript.messages)
    return round(12 + length / _CHARACTERS_PER_SECOND * float(rng.lognormal(0.0, 0.35)), 1)


def _session(server: Server, token: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Token {token}"}, timeout=120)


def _checked(response: httpx.Response) -> Any:
    if response.is_error:
        raise RuntimeError(f"Label Studio: {response.status_code} {response.text[:300]}")
    return response.json()
