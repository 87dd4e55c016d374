"""The LLM judge: prompt, clients, evidence, panels."""

from grader.judge.card import JudgeCard, judge_card
from grader.judge.cascade import Cascade
from grader.judge.client import (
    FailureBudgetSpent,
    JudgeClient,
    Reply,
    Request,
    RunStopped,
    SendError,
    SpendLimitReached,
)
from grader.judge.llm_judge import LLMJudge
from grader.judge.noise import RepeatCounts, repeat_counts
from grader.judge.panel import Panel
from grader.judge.replay import ReplayClient
from grader.judge.sdk import make_client

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
