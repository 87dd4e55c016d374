"""Every reply a server can send ends in a verdict or in a named outcome; none ends in a traceback or a false "no"."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judge_helpers import transcript

from grader.errors import InputError
from grader.judge import LLMJudge
from grader.judge.clients.protocol import Reply, RunStopped
from grader.judge.clients.sender import Retries
from grader.judge.extract import only_object
from grader.judge.read_reply import is_same_model, read_reply, reply_outcome
from grader.rubrics import Rubric
from grader.store.store import Store
from grader.verdict.read import VerdictWriter, read_verdicts
from grader.verdict.records import OUTCOMES

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("HARMRATE_SAMPLES", ROOT.parent / "shared" / "samples"))
FILE = SAMPLES / "cases" / "judge_replies" / "replies.jsonl"
ONCE = Retries(attempts=1, unreadable=1, first_pause=0.001, longest_pause=0.001)

# What `right` of the recorded replies says, in our words: the outcome, and whether stage and probability disagree.
RIGHT = {
    "scored": ("scored", False),
    "scored or unparseable, never silently another number": ("scored", False),
    "scored when exactly one harm was asked": ("scored", False),
    "scored (strict=False)": ("scored", False),
    "scored if the JSON is whole, else truncated": ("scored", False),
    "scored; cost counted by the reservation": ("scored", False),
    "scored; no traceback": ("scored", False),
    "scored, evidence not verified": ("scored", False),
    "as the text says": ("scored", False),
    "unparseable or asked again (0.9 of 100 beside stage completed contradicts itself): marked as contradictory": (
        "scored",
        True,
    ),
    "asked again once; if it stays, scored and marked contradictory, counted in the report": ("scored", True),
    "as above": ("scored", True),
    "unparseable": ("unparseable", False),
    "unparseable (two answers; never the last or the first alone)": ("unparseable", False),
    "unparseable: never the last key wins": ("unparseable", False),
    "unparseable or provider error, one outcome": ("unparseable", False),
    "unparseable (or refused when recognised), never 'no'": ("unparseable", False),
    "not a final answer: asked again or unparseable, never 'no'": ("unparseable", False),
    "as the text says, or unparseable": ("unparseable", False),
    "one outcome, no traceback, nothing stored that breaks a rerun": ("unparseable", False),
    "one outcome, no traceback": ("unparseable", False),
    "refused": ("refused", False),
    "too_long": ("too_long", False),
    "truncated": ("truncated", False),
}
CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()] if FILE.is_file() else []


class Scripted:
    """Answers every request with one message."""

    def __init__(self, message: Any) -> None:
        self.message, self.n = message, 0

    def send(self, request: Any) -> Reply:
        self.n += 1
        return Reply(message=self.message)


@pytest.mark.skipif(not CASES, reason="no recorded replies: set HARMRATE_SAMPLES")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_recorded_replies_end_as_they_should(case, tmp_path):
    outcome, contradictory = RIGHT[case["right"]]
    client = Scripted(case["message"])
    rubrics = [Rubric(name=harm, title=harm, version="1", text="Text.") for harm in case["harms"]]
    with Store(tmp_path / "store.sqlite") as store:
        judge = LLMJudge(client, "m", rubrics=rubrics, store=store, retries=ONCE)
        verdicts = list(judge.grade([transcript()]))
        sent = client.n
        again = list(judge.grade([transcript()]))
    assert [v.outcome for v in verdicts] == [outcome] * len(case["harms"])
    assert [bool(v.usage.get("contradictory")) for v in verdicts] == [contradictory] * len(case["harms"])
    assert again == verdicts and client.n == sent, "what is stored answers a rerun"
    assert sent == (2 if outcome == "unparseable" or contradictory else 1)
    if "evidence not verified" in case["right"]:
        assert not any(e.verified for v in verdicts for e in v.evidence)


def test_an_answer_that_contradicts_itself_is_replaced_by_one_that_does_not():
    answers = iter([("none", 97), ("none", 3)])

    class Second:
        def send(self, request: Any) -> Reply:
            stage, probability = next(answers)
            return Reply(message=message({"h": part(stage, probability)}))

    (verdict,) = LLMJudge(Second(), "m", rubrics=[RUBRIC], retries=ONCE).grade([transcript()])
    assert (verdict.present, verdict.score, "contradictory" in verdict.usage) == (False, 0.03, False)


def test_a_contradictory_answer_is_kept_when_the_second_cannot_be_read():
    texts = iter([json.dumps({"h": part("none", 97)}), "Certainly!"])

    class Second:
        def send(self, request: Any) -> Reply:
            return Reply(message={"content": [{"type": "text", "text": next(texts)}], "stop_reason": "end_turn"})

    (verdict,) = LLMJudge(Second(), "m", rubrics=[RUBRIC], retries=ONCE).grade([transcript()])
    assert (verdict.outcome, verdict.score, verdict.usage["contradictory"]) == ("scored", 0.97, True)


def test_an_answer_in_which_only_an_inner_object_is_whole_is_not_taken_for_the_whole():
    for text in ('{"h": {"reasoning": "r", "stage": "none"}, "other": {"sta', '{"h": {"a": 1}} {"b'):
        with pytest.raises(ValueError):
            only_object(text)


def test_harms_are_recognised_by_name_and_never_answered_twice():
    both = Reply(message=message({"h": part("none", 1), "H": part("attempted", 99)}))
    assert reply_outcome(both, ("h",)) == "unparseable"
    hyphen = read_reply(
        Reply(message=message({"Data Leak": part("none", 1), "other": part("none", 2)})), ("data_leak", "other")
    )
    assert [reading.probability for reading in hyphen.values()] == [1, 2]


def test_another_model_than_the_one_asked_is_recorded():
    client = Scripted(message({"h": part("none", 1)}) | {"model": "claude-haiku-5-5"})
    (verdict,) = LLMJudge(client, "claude-sonnet-5-5", rubrics=[RUBRIC], retries=ONCE).grade([transcript()])
    assert (verdict.usage["model"], verdict.usage["asked_model"]) == ("claude-haiku-5-5", "claude-sonnet-5-5")
    assert is_same_model("claude-haiku-4-5", "claude-haiku-4-5-20251001")


# ---- Arbitrary answers -----------------------------------------------------------------------------------------------

RUBRIC = Rubric(name="h", title="H", version="1", text="Text.")


def part(stage: Any, probability: Any) -> dict[str, Any]:
    return {"reasoning": "r", "evidence": [], "stage": stage, "probability": probability}


def message(answer: Any) -> dict[str, Any]:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return {
        "id": "msg", "model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip


_leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_json = st.recursive(
    _leaf, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3), max_leaves=8
)
_stages = st.sampled_from(["none", "considered", "attempted", "completed", "cannot_assess", "None", ""])
_answers = st.fixed_dictionaries(
    {},
    optional={
        "h": st.fixed_dictionaries(
            {},
            optional={
                "reasoning": st.text(max_size=20) | _json,
                "evidence": st.lists(st.fixed_dictionaries({"message": _json, "quote": _json}), max_size=2) | _json,
                "stage": _stages | _json,
                "probability": st.integers(-5, 105) | _json,
            },
        )
        | _json,
        "H": _json,
    },
)
_good = st.builds(lambda s, p: {"h": part(s, p)}, _stages, st.integers(0, 100) | st.floats(0, 100) | st.just("7%"))
_written = (_good | _answers).map(json.dumps)
_texts = _written | st.text(max_size=60) | st.tuples(st.text(max_size=9), _written, st.text(max_size=9)).map("".join)
_blocks = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": _texts}) | _json, max_size=2)
_messages = st.fixed_dictionaries(
    {},
    optional={
        "id": _json,
        "model": st.text(max_size=9) | _json,
        "content": _blocks | _json,
        "stop_reason": st.sampled_from(["end_turn", "max_tokens", "refusal", "stop", "pause_turn", None]) | _json,
        "stop_details": _json,
        "usage": st.fixed_dictionaries({"input_tokens": _json, "output_tokens": _json}) | _json,
    },
)
_whole = st.builds(
    lambda text, reason: message(text) | {"stop_reason": reason}, _texts, st.sampled_from(["end_turn", None])
)
_errors = st.fixed_dictionaries(
    {"error": st.fixed_dictionaries({"type": _json, "message": _json, "details": _json}) | _json}
)
_bodies = (_whole | _whole | _messages | _errors | _json).map(lambda value: json.dumps(value).encode()) | st.binary(
    max_size=40
)
_STATUSES = [200] * 12 + [
    201,
    204,
    301,
    400,
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    413,
    418,
    422,
    429,
    500,
    502,
    503,
    504,
    529,
    599,
]


def outcome_of(status: int, body: bytes, folder: Path) -> str:
    """What a run makes of a server that always answers so: a verdict's outcome, or why the run stopped."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=body))
    client = anthropic.Anthropic(api_key="k", http_client=httpx2.Client(transport=transport), max_retries=0)
    judge = LLMJudge(client, "m", rubrics=[RUBRIC], retries=ONCE, concurrency=1, store=Store(":memory:"))
    try:
        (verdict,) = judge.grade([transcript()])
    except (RunStopped, InputError) as stopped:
        assert str(stopped).strip() and "\n" not in str(stopped)
        return type(stopped).__name__
    assert verdict.outcome in OUTCOMES and (verdict.present is None) == (verdict.outcome != "scored")
    assert list(judge.grade([transcript()])) == [verdict] or verdict.outcome == "api_error", "a rerun says the same"
    path = folder / "v.parquet"
    from grader.grading import iter_rows

    with VerdictWriter(path) as writer:
        for row in iter_rows([transcript()], [judge]):
            writer.write(row)
    assert read_verdicts(path)["outcome"].tolist() == [verdict.outcome]
    return verdict.outcome


@pytest.mark.parametrize("n", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_arbitrary_answers_end_in_a_verdict_or_a_named_outcome(n, tmp_path):
    ends: Counter[str] = Counter()

    @settings(max_examples=n, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(status=st.sampled_from(_STATUSES), body=_bodies)
    def check(status: int, body: bytes) -> None:
        ends[outcome_of(status, body, tmp_path)] += 1

    check()
    assert {"scored", "unparseable", "api_error"} <= ends.keys()
    if "HARMRATE_SHOW" in os.environ:
        print(dict(ends.most_common()))  # noqa: T201
