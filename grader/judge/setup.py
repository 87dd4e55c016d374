"""A judge from plain settings, as a command line or a study file gives them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from grader.errors import InputError
from grader.judge.clients.batches import BatchSender
from grader.judge.clients.local import PREFIX, local_client
from grader.judge.clients.protocol import Reply, Request, SendError
from grader.judge.clients.providers import PROVIDERS, Provider, provider_client
from grader.judge.clients.replay import ReplayClient
from grader.judge.clients.sdk import close_with, endpoint_of
from grader.judge.llm_judge import WINDOW_TOKENS, LLMJudge
from grader.judge.money.budget import Budget, BudgetClient
from grader.judge.money.estimate import Estimate, estimate
from grader.judge.money.prices import load_prices
from grader.judge.questions import Calls, Effort
from grader.judge.render import View
from grader.judge.several.cascade import Cascade
from grader.judge.several.panel import Panel
from grader.redaction import Redaction
from grader.rubrics import Rubric
from grader.store.store import Store
from grader.transcript import Transcript

# A suggestion (price against quality); whichever is used is recorded with every verdict.
DEFAULT_JUDGE = "claude-sonnet-5-5"

Transport = Literal["direct", "batch"]
# Whether the model thinks before it answers; what is not chosen is the model's own default.
Thinking = Literal["adaptive", "disabled"]
Together = Literal["panel", "cascade"]
Watch = Callable[[Request, Reply], None]
# Puts something around the client of a server: a limit that judges of several processes share.
Through = Callable[[Any], Any]

_JUDGE_SETTINGS = (
    "model",
    "repeats",
    "concurrency",
    "effort",
    "thinking",
    "max_tokens",
    "calls",
    "view",
    "window_tokens",
    "redact",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSetup:
    """Which model to ask, how, and for how much.

    Parameters
    ----------
    model : str
        Model id; ``local:PATH.gguf`` and ``local:smollm2`` run on this machine.
    others : tuple of str
        Further models, asked with the same settings.
    together : {"panel", "cascade"}
        What several models are: all asked of everything, or the first of everything and the second where the first is
        not to be relied on.
    provider : {"anthropic", "bedrock", "vertex", "openai", "inspect"}
        Whose client asks. A model may name its own: ``openai:gpt-5``.
    region : str, optional
        Of the cloud.
    base_url : str, optional
        Another server with the protocol of `provider`.
    replies : path, optional
        Recorded replies to answer from, instead of a server.
    transport : {"direct", "batch"}
        ``batch`` goes through the Message Batches API: half the price, an answer within a day.
    max_cost : float, optional
        US dollars at which the run stops, before it spends more.
    prices : path, optional
        Price list to put over the shipped one.
    max_failed : float in [0, 1]
        Largest share of a command's verdicts that may fail (`grader.failure_budget`).
    thinking : {"adaptive", "disabled"} or mapping, optional
        Whether the model thinks first; a mapping goes to the API as it is.
    redact : Redaction, optional
        What is replaced before text leaves the machine.
    timeout : float
        Seconds for one request, from its start to the end of the answer.
    repeats, concurrency, effort, max_tokens, calls, view, window_tokens
        See `grader.judge.LLMJudge`.
    """

    model: str = DEFAULT_JUDGE
    others: tuple[str, ...] = ()
    together: Together = "panel"
    provider: Provider = "anthropic"
    region: str | None = None
    base_url: str | None = None
    replies: Path | None = None
    transport: Transport = "direct"
    max_cost: float | None = None
    prices: Path | None = None
    max_failed: float = 1.0
    repeats: int = 1
    concurrency: int = 16
    timeout: float = 600.0
    effort: Effort | None = None
    thinking: Thinking | Mapping[str, Any] | None = None
    max_tokens: int = 8192
    calls: Calls = "together"
    view: View = "full"
    window_tokens: int = WINDOW_TOKENS
    redact: Redaction | None = None

    @property
    def panel(self) -> str | None:
        """Name of the panel, whose verdicts count before those of its judges; None for one judge and a cascade."""
        models = (split_provider(model, self.provider)[1] for model in (self.model, *self.others))
        return "+".join(models) if self.others and self.together == "panel" else None

    @property
    def is_remote(self) -> bool:
        """Whether a server is asked, over connections that are opened for it."""
        return self.replies is None and not self.model.startswith(PREFIX)

    def settings(self) -> dict[str, Any]:
        """Those that `LLMJudge` takes under the same name."""
        named = {name: getattr(self, name) for name in _JUDGE_SETTINGS}
        return named | ({"thinking": {"type": self.thinking}} if isinstance(self.thinking, str) else {})


def open_judge(
    setup: JudgeSetup,
    rubrics: Mapping[str, Rubric],
    *,
    store: Store | None = None,
    watch: Watch | None = None,
) -> LLMJudge:
    """The one judge that `setup` describes, ready to grade.

    Raises
    ------
    InputError
        No credentials, no such model file, an unknown price under ``max_cost``, batches of a provider without them,
        several judges.
    """
    if setup.others:
        raise InputError(f"one judge is taken here, got {', '.join((setup.model, *setup.others))}")
    (setup,) = _members(setup)
    return _opened(setup, rubrics, _budget(setup), store, watch)


def open_judges(
    setup: JudgeSetup,
    rubrics: Mapping[str, Rubric],
    *,
    store: Store | None = None,
    watch: Watch | None = None,
    through: Through | None = None,
) -> LLMJudge | Panel | Cascade:
    """All judges that `setup` describes, as one grader; they share ``max_cost``.

    A panel tells each judge's verdicts beside its own. Errors are those of `open_judge`, and models that do not make
    a panel or cascade. `through` is put around the client of a server.
    """
    members = _members(setup)
    budget = _budget(setup)
    judges = [_opened(member, rubrics, budget, store, watch, through) for member in members]
    if len(judges) == 1:
        return judges[0]
    return Panel(judges, name=setup.panel, members="told") if setup.together == "panel" else Cascade(*judges)


def estimate_judges(
    setup: JudgeSetup, rubrics: Mapping[str, Rubric], transcripts: Iterable[Transcript], *, store: Store | None = None
) -> Estimate:
    """What grading `transcripts` would ask and cost; nothing is sent, and no key is needed."""
    judges = [LLMJudge(_Nobody(m), rubrics=rubrics, store=store, **m.settings()) for m in _members(setup)]
    service: Literal["batch", "standard"] = "batch" if setup.transport == "batch" else "standard"
    if len(judges) == 1:
        return estimate(judges[0].requests(transcripts), load_prices(setup.prices), service=service)
    requests = (request for one in transcripts for judge in judges for request in judge.requests([one]))
    found = estimate(requests, load_prices(setup.prices), service=service)
    if setup.together == "panel":
        return found
    unsure = f"as if {judges[1].name} were asked of everything; it is asked only where {judges[0].name} is not sure"
    return replace(found, notes=(*found.notes, unsure))


def _members(setup: JudgeSetup) -> list[JudgeSetup]:
    """One setup for each judge."""
    asked = [split_provider(model, setup.provider) for model in (setup.model, *setup.others)]
    models = [model for _, model in asked]
    if len(set(models)) < len(models):
        raise InputError(f"judges must be different models, got {', '.join(models)}")
    if setup.together == "cascade" and len(models) != 2:
        raise InputError(f"a cascade takes two judges, the cheap one first, got {len(models)}")
    return [
        replace(
            setup,
            model=model,
            others=(),
            together="panel",
            provider=provider,
            base_url=setup.base_url if provider == setup.provider or len(asked) == 1 else None,
        )
        for provider, model in asked
    ]


def split_provider(model: str, default: Provider) -> tuple[Provider, str]:
    """The provider that a model names before a colon, else the default, and the model without it.

    Examples
    --------
    >>> split_provider("openai:gpt-5", "anthropic"), split_provider("claude-sonnet-5-5", "anthropic")
    (('openai', 'gpt-5'), ('anthropic', 'claude-sonnet-5-5'))
    """
    provider, colon, name = model.partition(":")
    return (cast(Provider, provider), name) if colon and provider in PROVIDERS else (default, model)


def _budget(setup: JudgeSetup) -> Budget | None:
    return None if setup.max_cost is None else Budget(load_prices(setup.prices), setup.max_cost)


def _opened(
    setup: JudgeSetup,
    rubrics: Mapping[str, Rubric],
    budget: Budget | None,
    store: Store | None,
    watch: Watch | None,
    through: Through | None = None,
) -> LLMJudge:
    if setup.transport == "batch" and setup.provider != "anthropic":
        raise InputError(f"provider {setup.provider} takes no batches: send the requests one by one (no --batch)")
    settings = setup.settings() | {"store": store, "watch": watch}
    client, more = _client(setup, rubrics)
    made = client if setup.is_remote else None
    if through is not None and setup.is_remote:
        client = through(client)
    if setup.transport == "batch":
        if store is None:
            raise ValueError("store must be given for transport 'batch', got None.")
        more["carrier"] = lambda keeper: BatchSender(client, store=store, keeper=keeper, budget=budget)
    elif budget is not None:
        client = BudgetClient(client, budget)
    judge = LLMJudge(client, rubrics=rubrics, **settings | more)
    if made is not None:
        close_with(judge.client, made)
    return judge


def _client(setup: JudgeSetup, rubrics: Mapping[str, Rubric]) -> tuple[Any, dict[str, Any]]:
    """The client, and the settings of the judge that it dictates."""
    if setup.replies is not None:
        return ReplayClient(setup.replies), {}
    if setup.model.startswith(PREFIX):
        local = local_client(setup.model)
        return local, local.settings(rubrics.values())
    if setup.provider in ("openai", "inspect") and setup.thinking is not None:
        raise InputError(f"provider {setup.provider} knows no --thinking; --effort says how much a model reasons")
    client = provider_client(
        setup.provider, model=setup.model, base_url=setup.base_url, region=setup.region, timeout=setup.timeout
    )
    return client, {}


class _Nobody:
    """A client for judges that are only asked what they would ask."""

    def __init__(self, setup: JudgeSetup) -> None:
        url = setup.base_url or os.environ.get("ANTHROPIC_BASE_URL")
        self.endpoint = None
        if setup.is_remote and setup.provider == "anthropic" and url is not None:
            self.endpoint = endpoint_of(url)

    def send(self, request: Request) -> Reply:
        raise SendError("nobody is asked")
