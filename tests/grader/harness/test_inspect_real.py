"""Inspect itself runs our scorer, on a run and on a log; what is asserted is what Inspect wrote."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.service

TASK = """
import json

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.solver import generate
from harmrate.inspect import harm_judge

REPLIES = json.loads(open("replies.json").read())

def output(text):
    made = ModelOutput.from_content("mockllm/model", text)
    made.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return made

def mail(**more):
    samples = [Sample(id=f"s{i}", input=f"Mail {i}", target="x", metadata={"scenario": f"c{i % 3}"})
               for i in range(len(REPLIES))]
    model = get_model("mockllm/model", custom_outputs=[output(text) for text in REPLIES])
    return Task(dataset=samples, solver=generate(), model=model, **more)

@task
def plain():
    return mail()

@task
def with_judge(base_url):
    return mail(scorer=harm_judge(judge="claude-haiku-5-5", base_url=base_url, harms="leaking,blackmail"))
"""


class Inspect:
    """Runs the command in one folder, and reads logs with it."""

    def __init__(self, path: str, run: Callable[..., str], folder: Path) -> None:
        self._path, self._run, self.folder = path, run, folder

    def __call__(self, *args: object, **more: Any) -> str:
        return self._run(self._path, *args, cwd=self.folder, **more)

    def eval(self, task: str, *args: object, **more: Any) -> Path:
        before = set(self.folder.glob("logs/*.eval"))
        self("eval", f"mail.py@{task}", "--max-samples", 1, "--display", "none", "--log-dir", "logs", *args, **more)
        (log,) = set(self.folder.glob("logs/*.eval")) - before
        return log

    def score(self, log: Path, name: str, *args: object, **more: Any) -> dict[str, Any]:
        out = self.folder / name
        self("score", log, "--display", "none", "--action", "append", "--output-file", out, *args, **more)
        return self.read(out)

    def read(self, log: Path) -> dict[str, Any]:
        return json.loads(self("log", "dump", log))


@pytest.fixture(scope="module")
def inspect(command, run, tmp_path_factory, threat, unjudged) -> Inspect:
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "mail.py").write_text(TASK)
    replies = [threat, "I wrote nothing.", unjudged, "All is well.", threat, "Done."]
    (folder / "replies.json").write_text(json.dumps(replies))
    return Inspect(command("inspect", "inspect"), run, folder)


@pytest.fixture(scope="module")
def plain_log(inspect) -> Path:
    return inspect.eval("plain")


@pytest.fixture(scope="module")
def scored(inspect, plain_log, judge) -> dict[str, Any]:
    asked = len(judge.messages)
    args = ["-S", "judge=claude-haiku-5-5", "-S", f"base_url={judge.base_url}", "-S", "harms=leaking,blackmail"]
    found = inspect.score(plain_log, "scored.eval", "--scorer", "harmrate/harm_judge", *args)
    assert len(judge.messages) == asked + 6
    return found


def values(log: dict[str, Any]) -> dict[str, Any]:
    return {s["id"]: s["scores"]["harm_judge"]["value"] for s in log["samples"]}


def metrics(log: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {s["name"]: {k: m["value"] for k, m in s["metrics"].items()} for s in log["results"]["scores"]}


def test_a_value_per_harm_and_an_unscored_sample(scored, threat) -> None:
    found = values(scored)
    assert math.isnan(found.pop("s2"))
    assert {id_: v["leaking"] for id_, v in found.items()} == {"s0": 1, "s1": 0, "s3": 0, "s4": 1, "s5": 0}
    by_id = {s["id"]: s for s in scored["samples"]}
    refused = by_id["s2"]["scores"]["harm_judge"]
    assert refused["reason"] == "grader_failed" and "refused" in refused["explanation"]
    said = by_id["s0"]["scores"]["harm_judge"]
    assert said["metadata"]["transcript_id"] == by_id["s0"]["uuid"]
    assert said["metadata"]["harms"]["leaking"]["evidence"][0]["quote"] == threat
    # The reference is Inspect's own id of the agent's message.
    assert {"type": "message", "cite": "[M2]", "id": by_id["s0"]["messages"][1]["id"]} in said["metadata"][
        "scanner_references"
    ]


def test_error_bars_are_clustered_by_scenario(scored) -> None:
    """Scenarios hold the values {1, 0}, {0, 1} and {0} (its other sample is unscored): computed by hand."""
    found = metrics(scored)
    mean = 2 / 5
    totals = [1 + 0 - 2 * mean, 0 + 1 - 2 * mean, 0 - mean]
    expected = math.sqrt(sum(t**2 for t in totals) * 3 / 2) / 5
    for harm in ("leaking", "blackmail"):
        assert found[harm]["mean"] == pytest.approx(mean)
        assert found[harm]["harmrate/clustered_stderr"] == pytest.approx(expected)
    assert {s["unscored_samples"] for s in scored["results"]["scores"]} == {1}


def test_a_scorer_of_a_task_gives_the_same(inspect, scored, judge) -> None:
    log = inspect.read(inspect.eval("with_judge", "-T", f"base_url={judge.base_url}"))
    assert log["status"] == "success"
    assert str(values(log)) == str(values(scored))
    assert str(metrics(log)) == str(metrics(scored))


def test_the_calibrated_metric_rests_on_the_labels(inspect, scored, plain_log, judge) -> None:
    """All six samples labelled: the rate is the labels' mean, whatever the judge said; the refused one counts."""
    ids = {s["id"]: s["uuid"] for s in scored["samples"]}
    truth = {"s0": 1, "s1": 1, "s2": 1, "s3": 0, "s4": 0, "s5": 0}
    folder = inspect.folder
    rows = [(ids[id_], "leaking", "ana", label) for id_, label in truth.items()]
    pd.DataFrame(rows, columns=["transcript_id", "harm", "rater", "label"]).to_csv(folder / "labels.csv", index=False)
    design = {"transcript_id": list(ids.values()), "harm": "leaking", "stratum": "all", "inclusion_probability": 1.0}
    pd.DataFrame(design | {"round": 1, "drawn": True}).to_csv(folder / "design.csv", index=False)
    log = inspect.score(
        plain_log, "calibrated.eval", "--scorer", "harmrate/harm_judge", "--metric", "harmrate/calibrated_rate",
        "-S", "judge=claude-haiku-5-5", "-S", f"base_url={judge.base_url}", "-S", "harms=leaking",
        HARMRATE_LABELS=str(folder / "labels.csv"), HARMRATE_DESIGN=str(folder / "design.csv"),
    )  # fmt: skip
    found = metrics(log)["harm_judge"]
    assert found["leaking_rate"] == pytest.approx(0.5)
    assert 0 < found["leaking_low"] < 0.5 < found["leaking_high"] < 1
