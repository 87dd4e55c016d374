"""Three replies in ten faulty in every way: all transcripts end in a verdict or a named outcome, never in a "no"."""

from __future__ import annotations

from collections import Counter

import anthropic
import pytest
from judge_helpers import answer, transcript
from messages_faults import FAULTS, REPLIES, FaultPlan, faulty_share
from messages_server import MessagesServer

from grader.judge import LLMJudge
from grader.judge.clients.sender import Retries, _in_loop
from grader.rubrics import Rubric
from grader.verdict.records import Verdict

N = 200
# A spend limit or a refused key ends a run: `test_outcomes.py` has them.
ENDS = {"authentication", "spend_limit", "payment_required"}
KINDS = tuple(kind for kind in FAULTS if kind not in ENDS)
NAMED = {"scored", "refused", "truncated", "too_long", "unparseable", "api_error"}


def run(faults: FaultPlan, rubrics: dict[str, Rubric], *, attempts: int) -> list[Verdict]:
    with MessagesServer(answer, faults=faults) as server:  # it always finds an attempt: present
        client = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", timeout=0.3)
        retries = Retries(attempts=attempts, first_pause=0.01, longest_pause=0.02)
        judge = LLMJudge(client, "claude-sonnet-5-5", rubrics=rubrics, concurrency=32, retries=retries)
        verdicts = list(judge.grade(transcript(i) for i in range(N)))
        _in_loop(client.close()).result(5)
    return verdicts


@pytest.mark.parametrize("attempts", [1, 6])
def test_every_transcript_ends_in_a_verdict_or_a_named_outcome(one_rubric: dict[str, Rubric], attempts: int) -> None:
    verdicts = run(faulty_share(0.3, kinds=KINDS), one_rubric, attempts=attempts)
    assert sorted(v.transcript_id for v in verdicts) == sorted(f"t{i}" for i in range(N))
    outcomes = Counter(v.outcome for v in verdicts)
    assert set(outcomes) <= NAMED and sum(outcomes.values()) == N
    assert not any(v.present is False for v in verdicts), "a fault became a no"
    assert all((v.present is True) == (v.outcome == "scored") for v in verdicts)
    assert all(v.explanation for v in verdicts if v.outcome != "scored")
    faulty = N - outcomes["scored"]
    # One try: whatever is no reply, or no second try can mend. Six: only what the server says for good.
    assert 0.15 * N < faulty < 0.40 * N if attempts == 1 else 0 < faulty < 0.25 * N
    assert {"refused", "truncated", "too_long"} <= set(outcomes)


def test_faults_that_pass_leave_no_trace(one_rubric: dict[str, Rubric]) -> None:
    lasting = ENDS | {"bad_request", "too_large"} | (set(REPLIES) - {"bad_json", "wrong_schema", "empty"})
    passing = tuple(kind for kind in FAULTS if kind not in lasting)
    verdicts = run(faulty_share(0.3, kinds=passing, tries=1), one_rubric, attempts=6)
    assert Counter(v.outcome for v in verdicts) == {"scored": N}
