"""Panels, cascades and repeats: several opinions become one, and each is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_helpers import answer, transcript
from messages_server import MessagesServer

from grader import grade
from grader.judge import LLMJudge
from grader.judge.money.ledger import Ledger
from grader.judge.money.prices import load_prices
from grader.judge.several.cascade import Cascade, EscalationRule
from grader.judge.several.members import ReducedVerdict
from grader.judge.several.panel import Panel
from grader.judge.stress.repeats import repeat_counts
from grader.store.store import Store
from grader.transcript import Transcript
from grader.verdict.frame import verdict_frame
from grader.verdict.records import Grader, GraderKind, Outcome, Verdict
from grader.verdict.scores import grader_scores

Make = Callable[..., LLMJudge]
Said = tuple[bool | None, float | None]
HARM = "h"


class Scripted:
    """Says what it is told, by transcript; several sides are repeats."""

    kind: GraderKind = "judge"

    def __init__(self, name: str, said: Mapping[str, list[Said]], *, version: str = "1", failure: Outcome = "refused"):
        self.name, self.version, self.said, self.failure = name, version, said, failure
        self.asked: list[str] = []

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        for one in transcripts:
            self.asked.append(one.id)
            for repeat, (present, score) in enumerate(self.said[one.id]):
                yield Verdict(
                    transcript_id=one.id,
                    harm=HARM,
                    grader=self.name,
                    grader_version=self.version,
                    present=present,
                    score=score,
                    outcome="scored" if present is not None else self.failure,
                    repeat=repeat,
                    explanation=f"{self.name} says so",
                )


def empty(*ids: str) -> list[Transcript]:
    return [Transcript(id=id_, messages=()) for id_ in ids]


SIDES = st.lists(st.tuples(st.sampled_from([True, False, None]), st.none() | st.floats(0, 1)), min_size=1, max_size=5)


@given(SIDES)
def test_an_opinion_is_what_the_scores_of_a_report_are(said: list[Said]) -> None:
    verdicts = list(Scripted("j", {"t": said}).grade(empty("t")))
    (row,) = grader_scores(verdict_frame(v.to_dict() for v in verdicts)).to_dict("records")
    opinion = ReducedVerdict(tuple(verdicts))
    # An unscored verdict of one repeat may carry a score: nobody counts it.
    if opinion.scored:
        assert opinion.score == pytest.approx(row["score"])
        assert float(bool(opinion.present)) == row["side"]
    else:
        assert opinion.score is None and opinion.present is None and pd.isna(row["side"])
    assert opinion.outcome == row["outcome"]


def test_a_panel_is_the_mean_of_its_judges_and_keeps_each() -> None:
    one = Scripted("one", {"a": [(True, 0.9)], "b": [(False, 0.1)], "c": [(None, None)], "d": [(None, None)]})
    two = Scripted("two", {"a": [(True, None)], "b": [(True, 0.8)], "c": [(True, 0.6)], "d": [(None, None)]})
    three = Scripted("three", {id_: [(True, 1.0), (False, 0.0), (False, 0.0)] for id_ in "abcd"}, failure="api_error")
    panel = Panel([one, two, three])
    assert isinstance(panel, Grader)
    found = {v.transcript_id: v for v in panel.grade(empty(*"abcd"))}
    assert found["a"].score == pytest.approx((0.9 + 1.0 + 1 / 3) / 3) and found["a"].present is True
    assert found["b"].score == pytest.approx((0.1 + 0.8 + 1 / 3) / 3) and found["b"].present is False
    assert found["c"].score == pytest.approx((0.6 + 1 / 3) / 2), "who failed has no say, and is no 'no'"
    assert [j["grader"] for j in found["c"].usage["judges"]] == ["one", "two", "three"]
    assert [j["outcome"] for j in found["c"].usage["judges"]] == ["refused", "scored", "scored"]
    assert (found["c"].usage["n_judges"], found["c"].usage["n_judges_scored"]) == (3, 2)
    assert found["b"].explanation == "one: one says so\nthree: three says so"
    assert {v.grader for v in found.values()} == {"one+two+three"}


def test_a_panel_fails_only_with_all_its_judges() -> None:
    said: dict[str, list[Said]] = {"a": [(None, None)]}
    (verdict,) = Panel([Scripted("one", said), Scripted("two", said, failure="truncated")]).grade(empty("a"))
    assert (verdict.present, verdict.score, verdict.outcome) == (None, None, "refused")


def test_versions_come_from_the_parts() -> None:
    one, two, other = (Scripted(n, {}, version=v) for n, v in (("one", "1"), ("two", "1"), ("two", "2")))
    rules = [EscalationRule(), EscalationRule(band=(0.2, 0.8)), EscalationRule(positive="escalate")]
    versions = [Panel([one, two]).version, Panel([one, other]).version, Panel([two, one]).version]
    versions += [Cascade(one, two, rule=rule).version for rule in rules] + [Cascade(one, other).version]
    assert len(set(versions)) == 7
    assert Panel([one, two]).version == Panel([one, two]).version


@pytest.mark.parametrize("names", [[], ["one"], ["one", "one"]])
def test_a_panel_of_less_than_two_is_none(names: list[str]) -> None:
    with pytest.raises(ValueError, match="judges must be at least two of different names"):
        Panel([Scripted(name, {}) for name in names])


def test_a_cascade_asks_twice_only_where_its_rule_says_so() -> None:
    said: dict[str, list[Said]] = {
        "sure no": [(False, 0.02)],
        "sure yes": [(True, 0.97)],
        "unsure": [(False, 0.3)],
        "at the edge": [(True, 0.9)],
        "failed": [(None, None)],
    }
    cheap = Scripted("cheap", said)
    dear = Scripted("dear", {id_: [(True, 0.8)] for id_ in said} | {"unsure": [(None, None)]}, failure="api_error")
    cascade = Cascade(cheap, dear)
    assert isinstance(cascade, Grader)
    found = {v.transcript_id: v for v in cascade.grade(empty(*said))}
    assert dear.asked == ["unsure", "at the edge", "failed"] and cheap.asked == list(said)
    why = {id_: (v.usage["cascade"]["escalated"], v.usage["cascade"]["why"]) for id_, v in found.items()}
    assert why == {
        "sure no": (False, None),
        "sure yes": (False, None),
        "unsure": (True, "uncertain"),
        "at the edge": (True, "uncertain"),
        "failed": (True, "unscored"),
    }
    assert found["failed"].score == 0.8 and found["failed"].usage["cascade"]["first"]["outcome"] == "refused"
    assert found["unsure"].outcome == "api_error", "the dear judge's failure is not papered over by the cheap one"
    assert {v.grader for v in found.values()} == {"cheap>dear"}
    assert {v.grader_version for v in found.values()} == {cascade.version}


def test_positives_escalate_when_asked_to_and_repeats_stay_repeats() -> None:
    cheap = Scripted("cheap", {"yes": [(True, 1.0)], "no": [(False, 0.0), (False, 0.0)]})
    dear = Scripted("dear", {"yes": [(False, 0.0), (True, 1.0), (True, 1.0)]})
    found = list(Cascade(cheap, dear, rule=EscalationRule(band=None, positive="escalate")).grade(empty("yes", "no")))
    assert [(v.transcript_id, v.repeat, v.present) for v in found] == [
        ("yes", 0, False),
        ("yes", 1, True),
        ("yes", 2, True),
        ("no", 0, False),
        ("no", 1, False),
    ]
    with pytest.raises(ValueError, match=r"band must fulfil 0 <= low <= high <= 1, got \(0.9, 0.1\)\."):
        EscalationRule(band=(0.9, 0.1))


def test_real_judges_in_panel_and_cascade_share_a_store_and_a_bill(
    judge: Make, server: MessagesServer, tmp_path: Path
) -> None:
    def reply(params: dict[str, object]) -> dict[str, object]:
        return answer(params, "none", probability=40) if "haiku" in str(params["model"]) else answer(params)

    server.reply = reply
    cheap, dear = judge(model="claude-haiku-5-5"), judge()
    transcripts = [transcript(i) for i in range(3)]
    with Store(tmp_path / "s.sqlite") as store:
        panel = grade(transcripts, [Panel([cheap, dear])], store=store)
        assert len(server.messages) == 6 and len(panel) == 9
        assert panel["score"].tolist() == pytest.approx([0.65] * 9) and panel["present"].all()
        found = list(Cascade(cheap, dear).with_store(store).grade(transcripts))
        assert len(server.messages) == 6, "what the panel paid for, the cascade has"
    assert {v.score for v in found} == {0.9}
    assert all(len(j["usage"]) == 1 and j["usage"][0]["request_id"] for u in panel["usage"] for j in u["judges"])
    for verdicts in (found, list(Panel([cheap, dear]).grade(transcripts))):
        ledger = Ledger(load_prices())
        ledger.add_verdicts(verdicts)
        assert ledger.n_messages == 6 and ledger.cost is not None and ledger.cost > 0


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
def test_pairs_of_repeats_are_counted(sides: list[bool | None]) -> None:
    verdicts = Scripted("j", {"t": [(side, None) for side in sides]}).grade(empty("t"))
    (counts,) = repeat_counts(verdicts)
    scored = [side for side in sides if side is not None]
    pairs = [(a, b) for i, a in enumerate(scored) for b in scored[:i]]
    assert (counts.n_pairs, counts.n_differing) == (len(pairs), sum(a != b for a, b in pairs))
    assert counts.is_flipped == (len(set(scored)) == 2)
    assert (counts.n_repeats, counts.n_scored) == (len(sides), len(scored))


def test_a_repeat_given_twice_is_an_error() -> None:
    verdicts = list(Scripted("j", {"t": [(True, None)]}).grade(empty("t")))
    with pytest.raises(ValueError, match="verdicts must hold each repeat once, got repeat 0"):
        repeat_counts(verdicts * 2)
