"""Whatever goes wrong ends in a named outcome, never in a "no", and is asked again only if it can pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from judge_helpers import transcript
from messages_faults import FAULTS, faulty_share
from messages_server import MessagesServer

from grader.errors import InputError
from grader.judge import LLMJudge, SpendLimitReached
from grader.judge.clients.protocol import Reply
from grader.judge.clients.sender import Retries, _in_loop
from grader.judge.read_reply import reply_usage
from grader.rubrics import Rubric
from grader.verdict.records import OUTCOMES

Make = Callable[..., LLMJudge]
ATTEMPTS = 3

# Fault that never ends -> the outcome, how often it was sent, a word of the explanation.
ENDS: dict[str, tuple[str, int, str]] = {
    "rate_limit": ("api_error", ATTEMPTS, "429"),
    "rate_limit_seconds": ("api_error", ATTEMPTS, "429"),
    "overloaded": ("api_error", ATTEMPTS, "529"),
    "server_error": ("api_error", ATTEMPTS, "500"),
    "unavailable": ("api_error", ATTEMPTS, "503"),
    "too_large": ("too_long", 1, "413"),
    "bad_request": ("api_error", 1, "400"),
    "refusal": ("refused", 1, "general_harms: Declined."),
    "max_tokens": ("truncated", 1, "cut off at max_tokens"),
    "model_context_window_exceeded": ("too_long", 1, "context window"),
    "bad_json": ("unparseable", 2, "not JSON"),
    "wrong_schema": ("unparseable", 2, "no answer for"),
    "empty": ("unparseable", 2, "not JSON"),
    "hang": ("api_error", ATTEMPTS, "timed out"),
    "cut_body": ("api_error", ATTEMPTS, ""),
    "garbled_body": ("api_error", ATTEMPTS, "cannot be read"),
    "reset": ("api_error", ATTEMPTS, "no connection"),
}
STOPS: dict[str, type[Exception]] = {
    "authentication": InputError,
    "spend_limit": SpendLimitReached,
    "payment_required": SpendLimitReached,
}
# Nothing came that could name the request.
UNNAMED = frozenset({"hang", "cut_body", "garbled_body", "reset"})


@pytest.fixture
def hasty(server: MessagesServer, judge: Make) -> Any:
    client = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", timeout=0.3)
    yield judge(client=client, retries=Retries(attempts=ATTEMPTS, first_pause=0.01, longest_pause=0.05))
    _in_loop(client.close()).result(5)


def test_every_fault_is_checked_here() -> None:
    assert ENDS.keys() | STOPS.keys() == set(FAULTS) and ENDS.keys().isdisjoint(STOPS)


@pytest.mark.parametrize("fault", ENDS)
def test_a_fault_that_never_ends_is_an_outcome(hasty: LLMJudge, server: MessagesServer, fault: str) -> None:
    outcome, attempts, told = ENDS[fault]
    server.faults = lambda body, attempt: fault
    verdicts = list(hasty.grade([transcript()]))
    assert [(v.present, v.score, v.outcome) for v in verdicts] == [(None, None, outcome)] * 3
    assert all(told in v.explanation and "\n" not in v.explanation for v in verdicts)
    assert len(server.messages) == attempts
    if fault not in UNNAMED:
        assert all(v.usage["request_id"].startswith("req_test_") for v in verdicts)


@pytest.mark.parametrize("fault", [fault for fault, (_, attempts, _) in ENDS.items() if attempts > 1])
def test_a_fault_that_passes_leaves_no_trace(hasty: LLMJudge, server: MessagesServer, fault: str) -> None:
    server.faults = lambda body, attempt: fault if attempt == 0 else None
    verdicts = list(hasty.grade([transcript()]))
    assert [v.outcome for v in verdicts] == ["scored"] * 3 and len(server.messages) == 2


@pytest.mark.parametrize("fault", STOPS)
def test_what_no_further_request_can_pass_stops_the_run_at_once(
    hasty: LLMJudge, server: MessagesServer, fault: str
) -> None:
    server.faults = lambda body, attempt: fault
    with pytest.raises(STOPS[fault], match="req_test_"):
        list(hasty.grade([transcript()]))
    assert len(server.messages) == 1


def test_a_refusal_is_kept_with_its_details(hasty: LLMJudge, server: MessagesServer) -> None:
    server.faults = lambda body, attempt: "refusal"
    verdict = next(hasty.grade([transcript()]))
    assert verdict.usage["stop_details"] == {
        "type": "refusal",
        "category": "general_harms",
        "explanation": "Declined.",
    }
    assert (verdict.usage["stop_reason"], verdict.usage["refusal_category"]) == ("refusal", "general_harms")
    silent = reply_usage(Reply(message={"stop_reason": "refusal", "stop_details": None}))
    assert silent["refusal_category"] is None and "stop_details" not in silent


def test_counts_add_up_when_a_third_of_the_replies_are_faulty(
    hasty: LLMJudge, server: MessagesServer, one_rubric: dict[str, Rubric]
) -> None:
    kinds = [fault for fault in ENDS if fault not in ("hang", "rate_limit_seconds")]
    server.faults = faulty_share(0.3, kinds=kinds, seed=3)
    verdicts = list(hasty.varied(rubrics=one_rubric.values()).grade(transcript(i) for i in range(120)))
    assert len(verdicts) == len({v.transcript_id for v in verdicts}) == 120
    found = {outcome: sum(v.outcome == outcome for v in verdicts) for outcome in OUTCOMES}
    assert found["scored"] < 120 and len([n for n in found.values() if n]) >= 4
    assert all((v.present is None) == (v.outcome != "scored") for v in verdicts)
    # No failure is a "no": the judge itself says "attempted" of all.
    assert {v.present for v in verdicts if v.outcome == "scored"} == {True}
