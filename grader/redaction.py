"""Names, addresses and secrets replaced by pseudonyms before a text leaves the machine."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from grader.redaction_patterns import CHECKS, FOLDS, KINDS, PATTERNS, PATTERNS_VERSION, RedactionKind
from grader.transcript import Message, Transcript, canonical_json
from grader.verdict.records import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What is replaced: the setting, without any state.

    Parameters
    ----------
    names : iterable of str
        Names of people, firms, projects: found as whole words, upper and lower case alike.
    kinds : iterable of str
        Which of `KINDS`; ``name`` does nothing without `names`.

    Raises
    ------
    ValueError
        A kind is unknown or a name is empty.

    Examples
    --------
    >>> Redaction(names=["Kyle"]).version == Redaction(names=["Rachel"]).version
    False
    """

    names: tuple[str, ...] = ()
    kinds: tuple[RedactionKind, ...] = KINDS

    def __init__(self, names: Iterable[str] = (), kinds: Iterable[RedactionKind] = KINDS) -> None:
        wanted = set(kinds)
        if unknown := wanted - set(KINDS):
            raise ValueError(f"kinds must be among {KINDS}, got {sorted(unknown)}.")
        folded = tuple(sorted({" ".join(name.split()) for name in names}, key=lambda name: (-len(name), name)))
        if "" in folded:
            raise ValueError("names must not be empty, got ''.")
        object.__setattr__(self, "names", folded)
        object.__setattr__(self, "kinds", tuple(kind for kind in KINDS if kind in wanted))

    @property
    def version(self) -> str:
        """Hash of the setting and of the patterns."""
        told = canonical_json([PATTERNS_VERSION, self.kinds, self.names])
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def patterns(self) -> dict[RedactionKind, re.Pattern[str]]:
        """One pattern for each kind that can be found."""
        texts = dict(PATTERNS)
        if self.names:
            each = (r"\s+".join(map(re.escape, name.split())) for name in self.names)
            texts["name"] = rf"(?i:(?<!\w)(?:{'|'.join(each)})(?!\w))"
        return {kind: re.compile(texts[kind]) for kind in self.kinds if kind in texts}


@dataclass(frozen=True, slots=True)
class Span:
    """``original[start:end]`` became ``redacted[shown_start:shown_end]``."""

    start: int
    end: int
    shown_start: int
    shown_end: int


@dataclass(slots=True)
class Redactor:
    """Replaces, with the same pseudonym for the same thing as long as it lives.

    Attributes
    ----------
    counts : dict from kind to int
        How many replacements were made.
    """

    redaction: Redaction
    counts: dict[str, int] = field(default_factory=dict)
    _known: dict[tuple[str, str], str] = field(default_factory=dict)
    _patterns: dict[RedactionKind, re.Pattern[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._patterns = self.redaction.patterns()

    def __call__(self, text: str) -> str:
        """`text` with pseudonyms."""
        return self.with_spans(text)[0]

    def with_spans(self, text: str) -> tuple[str, tuple[Span, ...]]:
        """`text` with pseudonyms, and where each stands."""
        parts: list[str] = []
        spans: list[Span] = []
        reached = shown = 0
        for start, end, kind in sorted(self._find(text)):
            stand_in = self._pseudonym(kind, text[start:end])
            parts += [text[reached:start], stand_in]
            shown += start - reached
            spans.append(Span(start, end, shown, shown + len(stand_in)))
            reached, shown = end, shown + len(stand_in)
        return "".join([*parts, text[reached:]]), tuple(spans)

    def _find(self, text: str) -> Iterator[tuple[int, int, RedactionKind]]:
        for kind, pattern in self._patterns.items():
            found: list[tuple[int, int]] = []
            text = pattern.sub(partial(_blank, found, CHECKS.get(kind, bool)), text)
            yield from ((start, end, kind) for start, end in found)

    def _pseudonym(self, kind: RedactionKind, found: str) -> str:
        key = kind, FOLDS.get(kind, str)(found)
        if key not in self._known:
            number = 1 + sum(known == kind for known, _ in self._known)
            self._known[key] = f"[{kind.upper()} {number}]"
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self._known[key]


def redactor(names: Iterable[str] = (), kinds: Iterable[RedactionKind] = KINDS) -> Redactor:
    """A function from text to text that replaces what tells who and where.

    Parameters
    ----------
    names, kinds
        See `Redaction`.

    Returns
    -------
    Redactor
        Pseudonyms are numbered as they come and stay the same for all texts that it is given: use a new one for
        each transcript, or one for all where links between transcripts shall remain.

    Notes
    -----
    Patterns find what has the shape of an address, a key or a number. They miss what is written out in words, and
    names that were not given; look at a sample before you rely on them.

    Examples
    --------
    >>> clean = redactor(names=["Kyle"])
    >>> clean("Kyle <kyle@x.com>, call +44 20 7946 0958")
    '[NAME 1] <[EMAIL 1]>, call [PHONE 1]'
    >>> clean("kyle again, not Kylemore"), clean.counts["name"]
    ('[NAME 1] again, not Kylemore', 2)
    """
    return Redactor(Redaction(names=names, kinds=kinds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A transcript with pseudonyms, and the way back.

    Parameters
    ----------
    original, transcript : Transcript
        Message by message the same; only texts, names and arguments differ.
    spans : tuple of tuple of Span
        Per message.
    counts : mapping from kind to int
        Replacements in the texts.
    """

    original: Transcript
    transcript: Transcript
    spans: tuple[tuple[Span, ...], ...]
    counts: Mapping[str, int]

    def restore(self, evidence: Evidence) -> Evidence:
        """Evidence found in the redacted text, as it stands in the original.

        A quote that cuts into a pseudonym grows to all of what it stands for. The quote becomes the original's words,
        except where it was only found nearly.
        """
        if evidence.message is None or evidence.start is None or evidence.end is None:
            return evidence
        spans = self.spans[evidence.message]
        start, end = _original(spans, evidence.start, "start"), _original(spans, evidence.end, "end")
        text = self.original.messages[evidence.message].text[start:end]
        same = not evidence.verified or evidence.quote.split() == text.split()
        return replace(evidence, start=start, end=end, quote=evidence.quote if same else text)


def with_pseudonyms(transcript: Transcript, redaction: Redaction) -> Redacted:
    """Replace in all messages, with one numbering of pseudonyms; see `redact_transcript`."""
    clean = Redactor(redaction)
    messages, spans = [], []
    for message in transcript.messages:
        text, found = clean.with_spans(message.text)
        messages.append(replace(message, text=text))
        spans.append(found)
    counts = dict(clean.counts)  # arguments repeat what a call's text says: not counted twice
    messages = [_clean_rest(message, clean) for message in messages]
    told = {**transcript.metadata, "redacted": counts}
    shown = Transcript(id=transcript.id, messages=tuple(messages), metadata=told)
    return Redacted(original=transcript, transcript=shown, spans=tuple(spans), counts=counts)


def redact_transcript(transcript: Transcript, redaction: Redaction | None = None) -> Transcript:
    """The transcript with pseudonyms; every message keeps its number.

    Parameters
    ----------
    transcript : Transcript
    redaction : Redaction, optional
        Default: all kinds, no names.

    Returns
    -------
    Transcript
        Metadata are kept and gain ``redacted``: replacements by kind.

    Examples
    --------
    >>> asked = Message(role="user", kind="text", text="Mail a@b.com and c@d.org, then a@b.com.")
    >>> clean = redact_transcript(Transcript(id="t", messages=(asked,)))
    >>> clean.messages[0].text, clean.metadata["redacted"]
    ('Mail [EMAIL 1] and [EMAIL 2], then [EMAIL 1].', {'email': 3})
    """
    return with_pseudonyms(transcript, redaction or Redaction()).transcript


def _clean_rest(message: Message, clean: Callable[[str], str]) -> Message:
    name = None if message.name is None else clean(message.name)
    arguments = None if message.arguments is None else {k: _clean_value(v, clean) for k, v in message.arguments.items()}
    return replace(message, name=name, arguments=arguments)


def _clean_value(value: Any, clean: Callable[[str], str]) -> Any:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {key: _clean_value(inner, clean) for key, inner in value.items()}
        case list() | tuple():
            return [_clean_value(inner, clean) for inner in value]
    return value


def _blank(found: list[tuple[int, int]], check: Callable[[str], bool], match: re.Match[str]) -> str:
    """Note the find, and leave nothing there for the kinds that follow."""
    if not check(match[0]):
        return match[0]
    found.append(match.span())
    return "\0" * len(match[0])


def _original(spans: tuple[Span, ...], at: int, edge: Literal["start", "end"]) -> int:
    """The place in the original of place `at` in the redacted text."""
    # The last pseudonym that begins before `at`; one that begins at `at` is inside only what starts there.
    i = bisect_right(spans, at if edge == "start" else at - 1, key=lambda span: span.shown_start) - 1
    if i < 0:
        return at
    span = spans[i]
    if at < span.shown_end:
        return span.start if edge == "start" else span.end
    return span.end + at - span.shown_end
