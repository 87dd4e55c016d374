"""Every option of the commands that compute numbers changes what they print, or is refused in one line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli import app
from harmrate.commands.data_options import BesideOptions, LabelOptions, PoolOptions, SelectionOptions, StudyOptions
from harmrate.commands.options import GateOptions
from labels.sampling.designs import draw_sample, write_design

N = 80
# The records of options that each command takes.
COMMANDS = {
    "rate": (StudyOptions, LabelOptions, PoolOptions, BesideOptions, GateOptions),
    "agreement": (StudyOptions, LabelOptions, PoolOptions),
    "compare": (StudyOptions, LabelOptions, PoolOptions),
    "doctor": (SelectionOptions, LabelOptions),
}
# Another value of each option than its default.
CHANGED = {
    "by": "arm", "cluster": "arm", "where": "arm=a", "set": "one=s1|s2", "harm": "deception", "grader": "k",
    "target": "pool", "method": "human-only", "level": "0.8", "seed": "5",
    "score_range": "0:2", "threshold": "0.9", "take": "leaking",
    "labels": "few.csv", "design": "design.csv", "force": None, "map": "verdict:leaking=yes",
    "unsure": "verdict=maybe", "rest": "no", "id_field": "other_id", "columns": "rater=second_rater",
    "raters": "ana=Ana", "allow_unused": None, "label_config": "missing.xml",
    "format": "chat", "id_from": "path", "path_pattern": "{model}.json", "strict": None,
    "scenario_from": "arm", "metadata": "metadata.csv", "transcripts": "missing.jsonl",
    "external_verdicts": "verdicts.csv", "external_labels": "labels.csv", "controls": "verdicts.csv",
    "fail_above": "0.0001", "require_below": "0.0001",
}  # fmt: skip
# Options whose effect is in a part that this study does not have, each with the reason.
WITHOUT_EFFECT = {
    ("agreement", "cluster"): "raters meet on too few items for a bootstrap",
    ("agreement", "target"): "only rates of single raters have a target",
    ("agreement", "seed"): "no coefficient is resampled here",
    ("rate", "seed"): "rates are exact",
    ("compare", "seed"): "rates are exact",
    ("rate", "cluster"): "scenarios enter rates of new scenarios",
    ("compare", "cluster"): "scenarios enter rates of new scenarios",
    ("rate", "scenario_from"): "scenarios enter rates of new scenarios",
    ("agreement", "scenario_from"): "raters meet on too few items for a bootstrap",
    ("compare", "scenario_from"): "scenarios enter rates of new scenarios",
    ("doctor", "score_range"): "no check names a side",
    ("doctor", "threshold"): "no check names a side",
    ("doctor", "raters"): "no check names a rater",
    ("doctor", "level"): "it is that of the judge's card",
    ("doctor", "seed"): "it is that of the judge's card",
}
TARGETED = {"cluster", "scenario_from"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("options"), np.random.default_rng(3)
    ids = [f"t{i:03}" for i in range(N)]
    score = rng.random(N).round(2)
    rows = [
        {"transcript_id": id_, "harm": harm, "grader": grader, "score": score[i] if grader == "j" else 1 - score[i],
         "arm": "ab"[i % 2], "scenario": f"s{i % 12}"}
        for i, id_ in enumerate(ids) for harm in ("leaking", "deception") for grader in ("j", "k")
    ]  # fmt: skip
    verdicts = pd.DataFrame(rows)
    verdicts.to_csv(folder / "verdicts.csv", index=False)
    design = draw_sample(pd.DataFrame({"transcript_id": ids, "stratum": ["x", "y", "y", "y"] * (N // 4)}), 40,
                         design="stratified", rng=rng, harms=["leaking", "deception"])  # fmt: skip
    design.loc[design["transcript_id"] == "t999", "drawn"] = False
    write_design(design, folder / "design.csv")
    once = design.drop_duplicates("transcript_id")
    drawn = once.loc[once["drawn"], "transcript_id"]
    labels = [
        {"transcript_id": id_, "other_id": f"x{id_}", "harm": harm, "rater": rater, "second_rater": "zoe",
         "label": int(rng.random() < 0.3 + 0.4 * (score[int(id_[1:])] > 0.5))}
        for id_ in drawn for harm in ("leaking", "deception") for rater in ("ana", "bo")
    ]  # fmt: skip
    pd.DataFrame(labels).to_csv(folder / "labels.csv", index=False)
    pd.DataFrame(labels[: len(labels) // 2]).to_csv(folder / "few.csv", index=False)
    pd.DataFrame({"transcript_id": ids, "arm": "c", "scenario": "s0"}).to_csv(folder / "metadata.csv", index=False)
    return folder


def run(study: Path, command: str, *options: str) -> tuple[int, str, str]:
    given = {"--verdicts": "verdicts.csv", "--labels": "labels.csv"}
    given = {name: str(study / file) for name, file in given.items() if name not in options}
    if command == "compare":
        given["--between"] = "arm"
    words = [word for pair in given.items() for word in pair]
    result = CliRunner().invoke(app, [command, *words, *options, "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, _without_provenance(result.stdout), result.stderr


def _without_provenance(text: str) -> str:
    return text.split('"provenance"')[0]


def cases() -> list[tuple[str, str]]:
    return [(command, f.name) for command, groups in COMMANDS.items() for group in groups for f in fields(group)]


def test_every_option_of_the_records_has_a_changed_value():
    assert {name for _, name in cases()} == set(CHANGED)


@pytest.mark.parametrize(("command", "name"), cases())
def test_an_option_changes_the_result_or_is_refused(study, command, name):
    value = CHANGED[name]
    words = [f"--{name.replace('_', '-')}"]
    if value is not None:
        is_file = (study / value).is_file() or value.startswith("missing")
        words.append(str(study / value) if is_file else value)
    base = ["--target", "new-scenarios"] if command in ("rate", "compare") and name in TARGETED else []
    base += ["--by", "arm"] if command == "rate" and name == "metadata" else []
    code, before, _ = run(study, command, *base)
    assert code == 0
    code, after, message = run(study, command, *base, *words)
    if code == 2:
        assert message.strip().splitlines()[-1].startswith("harmrate: ")
        return
    effect = after != before or code == 1
    assert effect or (command, name) in WITHOUT_EFFECT, f"--{name} of {command} changes nothing"


def test_help_of_run_and_grade_is_in_groups():
    for command in ("run", "grade"):
        text = CliRunner().invoke(app, [command, "--help"]).stdout
        places = [text.index(f" {panel} ") for panel in ("What to read", "Judge", "Classifier", "Output")]
        assert places == sorted(places)
