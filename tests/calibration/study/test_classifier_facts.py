"""How far the pool is like what was labelled, and who taught a classifier, stand where the rate stands."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from calibration import render_report, run_study
from calibration.report.console import print_notes, print_rates
from calibration.report.plain import report_dict
from grader.errors import InputError
from grader.verdict.frame import verdict_frame
from labels.labelset import LabelSet

HARM, N = "leaking", 60
# One in ten is unlike anything labelled, all of them of arm b; t3 has no text.
UNLIKE = {f"t{i}": 1.5 if i % 10 == 1 else 0.5 for i in range(N)}
BRANCHES = {f"t{i}": f"run {i // 2}" for i in range(N)}


def verdicts(teacher: str, facts: dict[str, dict[str, str]]) -> pd.DataFrame:
    rows = []
    for i in range(N):
        name = f"t{i}"
        own = {"transcript_id": name, "harm": HARM, **{key: of[name] for key, of in facts.items()}}
        rows.append(own | {"grader": "judge", "grader_kind": "judge", "present": i % 4 == 0})
        said = {"unlikeness": UNLIKE[name], "trained_on": teacher, "threshold": 0.5}
        scored = {"present": i % 4 == 0, "score": 0.5, "usage": said} if i != 3 else {"outcome": "cannot_assess"}
        rows.append(own | {"grader": "forest", "grader_kind": "classifier"} | scored)
    return verdict_frame(rows)


@pytest.fixture(scope="module")
def labels() -> LabelSet:
    return LabelSet.from_rows([(f"t{i}", HARM, "ana", float(i % 8 == 0)) for i in range(N)])


def shown(report) -> str:
    console = Console(file=io.StringIO(), width=250)
    print_rates(console, report)
    print_notes(console, report)
    return " ".join(console.file.getvalue().split())


def test_each_group_tells_its_share(labels, tmp_path):
    arms = {f"t{i}": "ab"[i % 2] for i in range(N)}
    report = run_study(verdicts("human", {"arm": arms}), labels, by=["arm"])
    counts = {f.group["arm"]: (f.n_unlike, f.n_compared) for f in report.rates}
    assert counts == {"a": (0, 30), "b": (6, 29)}
    data = report_dict(report)
    assert [(r["n_unlike"], r["n_compared"]) for r in data["rates"]] == [(0, 30), (6, 29)]
    assert [(g["name"], g["trained_on"]) for g in data["graders"]] == [("judge", None), ("forest", "human")]
    assert "6 of 29 (20.7 %)" in shown(report) and "0 of 30 (0 %)" in shown(report)
    render_report(report, tmp_path)
    for file in ("report.md", "report.html"):
        text = (tmp_path / file).read_text().replace("\N{NO-BREAK SPACE}", " ")
        assert "20.7 % of them unlike anything labelled" in text and "0 % of them unlike anything labelled" in text
        assert "are guesses; label some of them first (design most-unlike-training)" in text
        assert "trained on a judge" not in text
    unlike, like = (next(f.estimate.notes for f in report.rates if f.group["arm"] == arm) for arm in "ba")
    assert any("are guesses" in note for note in unlike) and not any("are guesses" in note for note in like)


def test_a_run_is_as_unlike_as_its_most_unlike_branch(labels):
    (finding,) = run_study(verdicts("human", {"episode": BRANCHES}), labels).rates
    assert finding.estimate.n_transcripts == finding.n_compared == N // 2
    assert finding.n_unlike == len({BRANCHES[t] for t, value in UNLIKE.items() if value > 1})


@pytest.mark.parametrize("target", ["scenarios", "new-scenarios"])
def test_rates_are_those_without_the_likeness(labels, target):
    scenarios = {f"t{i}": f"s{i % 12}" for i in range(N)}
    told = verdicts("human", {"scenario": scenarios})
    (with_it,) = run_study(told, labels, target=target).rates
    (without,) = run_study(told.assign(usage=[{}] * len(told)), labels, target=target).rates
    assert (with_it.estimate.low, with_it.estimate.high) == (without.estimate.low, without.estimate.high)
    assert (without.n_compared, without.n_unlike) == (0, 0)


def test_a_judges_pupil_is_named_beside_every_rate(labels, tmp_path):
    report = run_study(verdicts("judge", {}), labels)
    told = "forest was trained on a judge's verdicts, not on human labels: it repeats the judge's errors"
    assert all(told in finding.estimate.notes for finding in report.rates)
    assert told in shown(report)
    assert {g.name: g.trained_on for g in report.graders} == {"judge": None, "forest": "judge"}
    render_report(report, tmp_path)
    assert told in (tmp_path / "report.md").read_text()
    assert "<td>a judge&#39;s verdicts</td>" in (tmp_path / "report.html").read_text()


def test_an_unknown_group_is_told_as_ever(labels):
    with pytest.raises(InputError, match="no transcript has 'nothing'"):
        run_study(verdicts("human", {}), labels, by=["nothing"])
