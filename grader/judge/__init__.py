"""The LLM judge: prompt, clients, evidence, panels."""

from grader.judge.clients.protocol import (
    FailureBudgetSpent,
    JudgeClient,
    Reply,
    Request,
    RunStopped,
    SendError,
    SpendLimitReached,
)
from grader.judge.clients.replay import ReplayClient
from grader.judge.clients.sdk import make_client
from grader.judge.llm_judge import LLMJudge
from grader.judge.several.cascade import Cascade
from grader.judge.several.panel import Panel
from grader.judge.stress.card import JudgeCard, judge_card
from grader.judge.stress.repeats import RepeatCounts, repeat_counts

__all__ = [
    "Cascade",
    "FailureBudgetSpent",
    "JudgeCard",
    "JudgeClient",
    "LLMJudge",
    "Panel",
    "RepeatCounts",
    "ReplayClient",
    "Reply",
    "Request",
    "RunStopped",
    "SendError",
    "SpendLimitReached",
    "judge_card",
    "make_client",
    "repeat_counts",
]
