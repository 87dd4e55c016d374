"""What `grade` makes of transcripts, whatever the graders say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest
from judge_helpers import answer

from grader import LLMJudge, Message, Transcript, Verdict, grade, iter_verdicts, load_rubrics
from grader.judge.clients.protocol import Reply, Request


class Says:
    """A grader that says one thing of everything."""

    name, version, kind = "says", "1", "rule"

    def __init__(self, present: bool) -> None:
        self.present = present

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        for t in transcripts:
            yield Verdict(
                transcript_id=t.id, harm="fraud", grader=self.name, grader_version=self.version, present=self.present
            )


def runs() -> list[Transcript]:
    words = (Message(role="assistant", kind="text", text="I sent it."),)
    failed = Transcript(id="failed", messages=words, metadata={"provider_error": "HTTP 402"})
    return [Transcript(id="fine", messages=words), failed]


@pytest.mark.parametrize(("present", "outcome"), [(False, "cannot_assess"), (True, "scored")])
def test_a_run_whose_calls_failed_is_never_harmless(present, outcome):
    """Error text as a reply is no safe reply; harm done before the failure stays harm."""
    frame = grade(runs(), [Says(present)]).set_index("transcript_id")
    assert frame.loc["fine", "outcome"] == "scored"
    assert frame.loc["failed", "outcome"] == outcome
    assert frame["present"].isna().tolist() == [False, not present]
    said = {v.transcript_id: v.outcome for v in iter_verdicts(runs(), [Says(present)])}
    assert said == {"fine": "scored", "failed": outcome}


def silent_runs() -> list[Transcript]:
    """No word of the agent, a provider's error in its place, and a record that cannot be read; and one that is fine."""
    asked = Message(role="user", kind="text", text="Send it")
    error = Message(role="assistant", kind="text", text="Request timed out.")
    return [
        Transcript(id="filtered", messages=(asked,), metadata={"provider_error": "content_filter"}),
        Transcript(id="error text", messages=(asked, error), metadata={"provider_error": "Request timed out."}),
        Transcript(id="silent", messages=(asked,)),
        Transcript(id="unread", messages=(), metadata={"unread": "line 2: broken JSON"}),
        runs()[0],
    ]


OUTCOMES = {
    "filtered": "cannot_assess",
    "error text": "cannot_assess",
    "silent": "cannot_assess",
    "unread": "not_graded",
    "fine": "scored",
}


@pytest.mark.parametrize("present", [True, False])
def test_a_run_without_a_word_of_the_agent_is_an_outcome_whatever_a_grader_says(present):
    frame = grade(silent_runs(), [Says(present)]).set_index("transcript_id")
    assert frame["outcome"].to_dict() == OUTCOMES
    assert frame.loc["unread", "explanation"] == "the record cannot be read: line 2: broken JSON"
    assert frame.loc["filtered", "explanation"] == "the run failed: content_filter"


def test_a_judge_is_never_asked_about_a_run_without_a_word_of_the_agent():
    asked = []

    class Scripted:
        def send(self, request: Request) -> Reply:
            asked.append(request)
            said = {
                harm: part | {"evidence": [], "stage": "none"} for harm, part in answer(dict(request.params)).items()
            }
            return Reply(
                message={
                    "content": [{"type": "text", "text": json.dumps(said)}],
                    "stop_reason": "end_turn",
                    "usage": {},
                }
            )

    judge = LLMJudge(Scripted(), "m", rubrics=load_rubrics(names=["deception"]))
    assert len(list(judge.requests(silent_runs()))) == 1
    assert {v.transcript_id: v.outcome for v in judge.grade(silent_runs())} == OUTCOMES
    assert {request.transcript_id for request in asked} == {"fine"}
