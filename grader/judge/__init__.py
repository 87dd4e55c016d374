"""The LLM judge: prompt, clients, evidence, panels."""

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
from grader.judge.replay import ReplayClient
from grader.judge.sdk import make_client

__all__ = [
    "FailureBudgetSpent",
    "JudgeClient",
    "LLMJudge",
    "ReplayClient",
    "Reply",
    "Request",
    "RunStopped",
    "SendError",
    "SpendLimitReached",
    "make_client",
]
