"""The LLM judge: rubrics, a model behind a client, and verdicts that rest on quoted evidence."""

from __future__ import annotations

import copy
import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

from grader.failed_runs import can_be_graded, without_asking
from grader.judge.clients.protocol import Reply, Request
from grader.judge.clients.reply_recorder import ReplyRecorder
from grader.judge.clients.sdk import MAX_TOKENS_LIMIT, as_judge_client
from grader.judge.clients.sender import RequestSender, Retries, Transport
from grader.judge.prompt import PROMPT_VERSION
from grader.judge.questions import AskSettings, Calls, Effort, Job, Order, rubrics_told
from grader.judge.reduce import Source
from grader.judge.render import View, render
from grader.judge.run import Run, missing_requests
from grader.judge.windows import Window, plan_windows, transcript_tokens, whole
from grader.redaction import Redaction, with_pseudonyms
from grader.rubrics import Rubric
from grader.store.claims import Claims
from grader.store.store import Store
from grader.transcript import Transcript, canonical_json
from grader.verdict.records import GraderKind, Verdict

CountTokens = Callable[[Mapping[str, Any]], "int | None"]

# Transcript tokens of one request: leaves room for rubrics and answer in a window of 200,000.
WINDOW_TOKENS = 150_000


class LLMJudge:
    """Grades transcripts by asking a model, one verdict per harm and repeat.

    Parameters
    ----------
    client : anthropic client, or object with ``send(request) -> Reply``
        ``Anthropic`` and its kin are called from threads, ``AsyncAnthropic`` from an event loop in the
        background (leave an async client to judges alone: its connections belong to that loop). Also
        `grader.judge.clients.replay.ReplayClient` and whatever else fulfils
        `grader.judge.clients.protocol.JudgeClient`.
    model : str
        Model id; recorded with every verdict.
    rubrics : mapping from name to Rubric, or iterable of Rubric
        What to ask, in order; see `grader.rubrics.load_rubrics`.
    repeats : int, at least 1
        How often each question is asked. The API has no sampling parameters, so noise is measured.
    store : Store, optional
        Where replies are kept. A question that has a reply there is never asked again.
    concurrency : int, at least 1
        Most requests in flight; fewer after 429 and 529.
    effort : {"low", "medium", "high", "xhigh", "max"}, optional
    thinking : mapping, optional
        As in the API, e.g. ``{"type": "adaptive"}``.
    max_tokens : int
        Of one answer, thinking included.
    calls : {"together", "per-harm"}
        All harms in one request, or one request each (which share the prompt cache).
    shown_rubrics : {"all", "asked"}
        Whether each request shows all rubrics, which share the prompt cache, or only those that it asks, for models
        with a short context.
    view : {"full", "no-reasoning", "actions"}
        Which of the agent's channels the judge sees.
    window_tokens : int
        Longer transcripts are graded in overlapping windows of so many (estimated) tokens.
    redact : Redaction, optional
        Names, addresses and keys are replaced before text leaves the machine, and quotes are told as they stand in
        the original; see `grader.redaction`.
    name : str, optional
        Default: `model`.
    retries : Retries, optional
    carrier : callable, optional
        ReplyRecorder -> Transport: sends the requests instead of `RequestSender` (batches); all questions are then
        asked at once.
    look_ahead : int, optional
        How many requests may wait for answers before the next transcript is read; default twice `concurrency`.
    watch : callable, optional
        Called with every new (request, reply), from another thread; may raise `RunStopped`.
    nonce : callable, optional
        Draws the code of the markers; for tests.

    Raises
    ------
    ValueError
        A setting is out of range, or there is no rubric.

    Notes
    -----
    `grade` raises `RunStopped` when no further request can succeed (spend limit) and
    `InputError` for a refused key or an unknown model; what was answered is in the store by then.
    """

    kind: GraderKind = "judge"

    def __init__(  # noqa: PLR0913 - one keyword per setting of the judge
        self,
        client: Any,
        model: str,
        *,
        rubrics: Mapping[str, Rubric] | Iterable[Rubric],
        repeats: int = 1,
        store: Store | None = None,
        concurrency: int = 16,
        effort: Effort | None = None,
        thinking: Mapping[str, Any] | None = None,
        max_tokens: int = 8192,
        calls: Calls = "together",
        shown_rubrics: Literal["all", "asked"] = "all",
        view: View = "full",
        window_tokens: int = WINDOW_TOKENS,
        redact: Redaction | None = None,
        name: str | None = None,
        retries: Retries | None = None,
        carrier: Callable[[ReplyRecorder], Transport] | None = None,
        look_ahead: int | None = None,
        watch: Callable[[Request, Reply], None] | None = None,
        nonce: Callable[[], str] | None = None,
    ) -> None:
        self.client = as_judge_client(client)
        self.rubrics = tuple(rubrics.values() if isinstance(rubrics, Mapping) else rubrics)
        self.redact = redact
        self.settings = AskSettings(
            model=model,
            max_tokens=max_tokens,
            effort=effort,
            thinking=thinking,
            view=view,
            redaction=None if redact is None else redact.version,
            endpoint=getattr(self.client, "endpoint", None),
        )
        self.repeats = repeats
        self.store = store
        self.concurrency = concurrency
        self.calls = calls
        self.shown_rubrics = shown_rubrics
        self.window_tokens = window_tokens
        self.name = name or model
        self.retries = retries or Retries()
        self.carrier = carrier
        self.look_ahead = look_ahead or 2 * concurrency
        self.watch = watch
        self.nonce = nonce or _random_nonce
        self._check()

    def _check(self) -> None:
        if not self.rubrics:
            raise ValueError("rubrics must hold at least one rubric, got none.")
        if len(set(self.harms)) < len(self.rubrics):
            raise ValueError(f"rubrics must have different names, got {self.harms}.")
        rules = {
            "repeats": (self.repeats, 1, float("inf")),
            "concurrency": (self.concurrency, 1, float("inf")),
            "max_tokens": (self.settings.max_tokens, 1, MAX_TOKENS_LIMIT),
            "window_tokens": (self.window_tokens, 200, float("inf")),
        }
        for name, (value, low, high) in rules.items():
            if not low <= value <= high:
                raise ValueError(f"{name} must fulfil {low} <= {name} <= {high}, got {value}.")

    @property
    def model(self) -> str:
        """The model asked."""
        return self.settings.model

    @property
    def harms(self) -> tuple[str, ...]:
        """Names of the harms asked."""
        return tuple(rubric.name for rubric in self.rubrics)

    @property
    def version(self) -> str:
        """Model id and a hash of rubrics, prompt and settings."""
        told = [
            rubrics_told(self.rubrics),
            PROMPT_VERSION,
            self.settings.told(),
            self.calls,
            self.window_tokens,
            *(() if self.shown_rubrics == "all" else (self.shown_rubrics,)),
        ]
        return f"{self.model}+{hashlib.sha256(canonical_json(told).encode()).hexdigest()[:12]}"

    def varied(
        self, *, rubrics: Iterable[Rubric] | None = None, view: View | None = None, repeats: int | None = None
    ) -> Self:
        """The same judge asked otherwise: what is not given stays."""
        other = copy.copy(self)
        other.rubrics = self.rubrics if rubrics is None else tuple(rubrics)
        other.settings = self.settings if view is None else replace(self.settings, view=view)
        other.repeats = self.repeats if repeats is None else repeats
        other._check()
        return other

    def with_store(self, store: Store) -> Self:
        """The same judge, keeping its replies in `store`."""
        other = copy.copy(self)
        other.store = store
        return other

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        """Yield one verdict per transcript, harm and repeat, as answers arrive.

        Parameters
        ----------
        transcripts : iterable of Transcript
            Read a little ahead of the answers, never as a whole.

        Raises
        ------
        RunStopped, InputError
            No further request can succeed.
        """
        with self._new_carrier() as carrier:
            run = Run(
                carrier=carrier,
                open_job=lambda transcript: self._open_job(transcript, carrier.count_tokens),
                stored=self._stored,
                source=Source(self.name, self.version, self.settings.view),
                look_ahead=self.look_ahead,
            )
            yield from without_asking(transcripts, run.verdicts, harms=self.harms, name=self.name, version=self.version)

    def requests(self, transcripts: Iterable[Transcript]) -> Iterator[Request]:
        """Yield every request that `grade` would send, each once; nothing is sent.

        For estimates before a run, and for batches: hand the replies to `keep`, then `grade` finds them.
        """
        return missing_requests(
            filter(can_be_graded, transcripts), lambda transcript: self._open_job(transcript, None), self._stored
        )

    def keep(self, request: Request, reply: Reply) -> None:
        """Put a reply that came another way (a batch) into the store."""
        if self.store is None:
            raise ValueError("store must be given to keep a reply, got None.")
        keeper = self.keeper()
        keeper.keep([(request, reply, keeper.read(request, reply))])

    def keeper(self) -> ReplyRecorder:
        """What stores this judge's replies."""
        claims = None if self.store is None else Claims(self.store)
        return ReplyRecorder(model=self.model, store=self.store, claims=claims, watch=self.watch)

    def _stored(self, key: str) -> Reply | None:
        record = None if self.store is None else self.store.get_reply(key)
        return None if record is None else Reply.from_dict(record)

    def _new_carrier(self) -> Transport:
        keeper = self.keeper()
        if self.carrier is not None:
            return self.carrier(keeper)
        return RequestSender(self.client, concurrency=self.concurrency, retries=self.retries, keeper=keeper)

    def _open_job(self, transcript: Transcript, count: CountTokens | None) -> Job:
        groups = [self.rubrics] if self.calls == "together" else [(rubric,) for rubric in self.rubrics]
        redacted = None if self.redact is None else with_pseudonyms(transcript, self.redact)
        shown = transcript if redacted is None else redacted.transcript
        windows = self._windows(shown, count)
        order: Order = "first-alone" if self.carrier is None else "all-at-once"
        return Job(
            shown, windows, groups, self.repeats, self.settings, self.nonce, order=order, redacted=redacted,
            shown=self.rubrics if self.shown_rubrics == "all" else (),
        )  # fmt: skip

    def _windows(self, transcript: Transcript, count: CountTokens | None) -> tuple[Window, ...]:
        messages, view = transcript.messages, self.settings.view
        estimate = transcript_tokens(messages, view)
        if estimate <= self.window_tokens:
            return (whole(messages),)
        counted = self._counted(transcript, count)
        if counted is not None and counted <= self.window_tokens:
            return (whole(messages),)
        # The estimate's error on the whole is taken to be its error on the parts.
        budget = self.window_tokens if not counted else max(200, self.window_tokens * estimate // counted)
        return plan_windows(messages, budget, view=view)

    def _counted(self, transcript: Transcript, count: CountTokens | None) -> int | None:
        """The server's count of a long transcript's tokens, asked once and stored like a reply."""
        told = ["count", transcript.content_hash, self.model, self.settings.view]
        key = hashlib.sha256(canonical_json(told).encode()).hexdigest()
        stored = None if self.store is None else self.store.get_reply(key)
        if stored is not None:
            return int(stored["input_tokens"])
        if count is None:
            return None
        text = render(transcript.messages, whole(transcript.messages), nonce="0" * 12, view=self.settings.view)
        counted = count({"model": self.model, "messages": [{"role": "user", "content": text}]})
        if counted is not None and self.store is not None:
            self.store.put_reply(key, {"input_tokens": counted}, model=self.model, outcome="count")
        return counted


def _random_nonce() -> str:
    return secrets.token_hex(6)
