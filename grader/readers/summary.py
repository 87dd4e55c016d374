"""What was read, for people: formats, ids, models, who said how much, and what is missing and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.failed_runs import run_failure
from grader.readers.ledger import ReadingLedger
from grader.transcript import Transcript

_N_IDS = 5
# Values of one fact that are counted apart; a pool may have a scenario per transcript.
_MOST_VALUES = 10_000


@dataclass(slots=True, kw_only=True)
class ReadingSummary:
    """Counts over transcripts as they pass, in memory that does not grow with them.

    Examples
    --------
    >>> from grader.transcript import Message
    >>> said = Message(role="assistant", kind="text", text="Hello")
    >>> summary = ReadingSummary()
    >>> _ = list(summary.watch([Transcript(id="a", messages=(said,), metadata={"model": "m"})]))
    >>> print(summary.text())
    1 transcript, 1 of them with words of the agent
    ids: a
    models: m (1)
    messages: assistant text 1
    share of the text: assistant text 100 %
    """

    ledger: ReadingLedger = field(default_factory=ReadingLedger)
    n: int = 0
    n_failed: int = 0
    ids: list[str] = field(default_factory=list)
    models: Counter[str] = field(default_factory=Counter)
    scenarios: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    media_cut: int = 0
    n_failed_calls: int = 0

    def watch(self, transcripts: Iterable[Transcript]) -> Iterator[Transcript]:
        """The same transcripts, counted."""
        for transcript in transcripts:
            self._count(transcript)
            yield transcript

    def _count(self, transcript: Transcript) -> None:
        self.n += 1
        if len(self.ids) < _N_IDS:
            self.ids.append(transcript.id)
        for fact, counter in (("model", self.models), ("scenario", self.scenarios)):
            value = transcript.metadata.get(fact)
            if value is not None and (str(value) in counter or len(counter) < _MOST_VALUES):
                counter[str(value)] += 1
        for message in transcript.messages:
            channel = f"{message.role} {message.kind.replace('_', ' ')}"
            self.channels[channel] += 1
            self.characters[channel] += len(message.text)
        if isinstance(cut := transcript.metadata.get("media_cut"), int):
            self.media_cut += cut
        failure = run_failure(transcript)
        self.n_failed_calls += failure is None and bool(transcript.metadata.get("provider_error"))
        if failure is not None:
            self.n_failed += 1
            reason = " ".join(failure[1].split())[:100]
            if reason in self.failures or len(self.failures) < _MOST_VALUES:
                self.failures[reason] += 1

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        total = sum(self.characters.values())
        return {
            "formats": dict(self.ledger.formats),
            "n_transcripts": self.n,
            "n_without_the_agent": self.n_failed,
            "ids": self.ids,
            "models": dict(self.models),
            "scenarios": dict(self.scenarios),
            "messages": dict(self.channels),
            "share_of_text": {name: n / total for name, n in self.characters.items()} if total else {},
            "failures": dict(self.failures),
            "media_cut": self.media_cut,
            "n_with_a_failed_call": self.n_failed_calls,
            "ledger": self.ledger.to_dict(),
            "notes": self.ledger.summary(),
        }

    def text(self) -> str:
        """All of it as lines, those with nothing to say left out."""
        total = sum(self.characters.values())
        shares = Counter({name: n / total for name, n in self.characters.items()}) if total else Counter[str]()
        shown = ", ".join(f"{name} {share:.0%}".replace("%", " %") for name, share in shares.most_common())
        words = self.n - self.n_failed
        lines = {
            "formats": _listed(self.ledger.formats, "file"),
            "ids": ", ".join(self.ids) + (", ..." if self.n > len(self.ids) else ""),
            "models": _listed(self.models),
            "scenarios": _listed(self.scenarios),
            "messages": ", ".join(f"{name} {n:,}" for name, n in self.channels.most_common()),
            "share of the text": shown,
            "binary data cut out": f"{self.media_cut:,}" if self.media_cut else "",
            "a call to the agent's model failed": f"{self.n_failed_calls:,}" if self.n_failed_calls else "",
            "not used": _listed(self.ledger.not_used),
            "not graded": _listed(self.failures),
        }
        head = f"{self.n:,} transcript{'s' * (self.n != 1)}, {words:,} of them with words of the agent"
        notes = [f"note: {line}" for line in self.ledger.summary()]
        return "\n".join([head, *(f"{name}: {line}" for name, line in lines.items() if line), *notes])


def _listed(counter: Mapping[str, int], unit: str = "") -> str:
    """The most frequent values with their counts, and how many more there are."""
    most = Counter(counter).most_common(_N_IDS)
    more = len(counter) - len(most)
    named = [f"{value} ({n:,}{' ' + unit + 's' * (n != 1) if unit else ''})" for value, n in most]
    return ", ".join([*named, *([f"{more:,} more"] if more else [])])
