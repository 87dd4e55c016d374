"""One conversation put together from calls that each repeat it: what continues it, and what each call adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from grader.transcript import Message, canonical_json

Moment = tuple[float, str]
Key = tuple[str, str | None, str]
# A shorter text ("Done.") may be said in two conversations; a longer one, or a call, tells that they are one.
_TELLING = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message of a thread, what it is compared by, and when it was said."""

    message: Message
    key: Key
    start: Moment


def key_of(message: Message) -> Key:
    """What two copies of one message share, whatever the spaces in them."""
    if message.kind == "tool_call" and message.arguments:
        return (message.kind, message.name, canonical_json(message.arguments))
    name = message.name if message.kind == "tool_call" else None
    kind = message.kind if message.kind != "text" else message.role
    return (kind, name, " ".join(message.text.split()))


@dataclass(slots=True, kw_only=True)
class Thread:
    """A conversation as far as the calls of a model have told it."""

    entries: list[Entry] = field(default_factory=list)
    spans: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    told: list[Key] = field(default_factory=list)  # what the last call answered
    asked: list[Key] = field(default_factory=list)  # what it was asked
    last_start: Moment = (0.0, "")
    error: str | None = None
    stop: str | None = None
    cut: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    talks: list[Any] = field(default_factory=list)  # what was read into it: none of its words may be missing

    def messages(self) -> list[Message]:
        """All that was said, in order."""
        return [entry.message for entry in self.entries]

    def continues(self, given: Sequence[Message], told: Sequence[Message], ancestors: set[str], *, cut: bool) -> bool:
        """Whether a call with this input and output goes on with this conversation.

        It does when its input holds what was answered last; when it tries again what failed; when it begins with the
        results of the last calls (the provider remembers the rest); when it tells once more, from inside, a call that
        is told already; or when the log cut its input to a beginning of this conversation.
        """
        asked = compared(given)
        present = set(asked)
        if self.spans & ancestors and _is_within([*asked, *compared(told)], [e.key for e in self.entries]):
            return True
        if cut and asked and _is_within(asked, [entry.key for entry in self.entries]):
            return True
        if not self.told:
            return bool(self.asked) and asked[: len(self.asked)] == self.asked
        if any(key in present for key in self.told):
            begins_alike = not self.asked or self.asked[0] in present
            return begins_alike or any(key in present and _is_telling(key) for key in self.told)
        results_only = bool(asked) and all(key[0] == "tool_result" for key in asked[:1])
        return results_only and not any(key[0] == "assistant" for key in asked) and bool(self.unanswered())

    def extend(self, given: Sequence[Message], told: Sequence[Message], *, start: Moment, span: str) -> None:
        """Take in a call: what only it knows is added, what only this thread knows is kept."""
        new = [Entry(message=message, key=key_of(message), start=start) for message in (*given, *told)]
        self.entries = union(self.entries, new)
        self.asked, self.told = compared(given), compared(told)
        self.last_start = start
        if span:
            self.spans.add(span)

    def unanswered(self) -> list[Entry]:
        """The calls after which no result stands."""
        calls: list[Entry] = []
        for entry in reversed(self.entries):
            if entry.message.kind == "tool_result":
                break
            if entry.message.kind == "tool_call":
                calls.append(entry)
        return calls[::-1]

    def append(self, messages: Iterable[Message]) -> None:
        """Add messages at the end."""
        self.entries += [Entry(message=m, key=key_of(m), start=self.last_start) for m in messages]

    def insert(self, start: Moment, messages: Iterable[Message]) -> None:
        """Add messages where their time is."""
        new = [Entry(message=message, key=key_of(message), start=start) for message in messages]
        later = (number for number, entry in enumerate(self.entries) if entry.start > start)
        at = next(later, len(self.entries))
        self.entries[at:at] = new


def union(old: list[Entry], new: list[Entry]) -> list[Entry]:
    """Both lists in one, in the order of both; what stands in both counts once."""
    at, merged = 0, list[Entry]()
    in_old, in_new = {entry.key for entry in old}, {entry.key for entry in new}
    for number, entry in enumerate(new):
        while at < len(old) and old[at].key not in in_new:
            merged.append(old[at])
            at += 1
        if at < len(old) and old[at].key == entry.key:
            merged.append(old[at])
            at += 1
        elif entry.key not in in_old or at == len(old):
            merged.append(entry)
        else:
            return merged + _aligned(old[at:], new[number:])
    return merged + old[at:]


def _aligned(old: list[Entry], new: list[Entry]) -> list[Entry]:
    matcher = SequenceMatcher(None, [entry.key for entry in old], [entry.key for entry in new], autojunk=False)
    merged = list[Entry]()
    for tag, a, b, c, d in matcher.get_opcodes():
        merged += old[a:b]
        if tag != "equal":
            merged += new[c:d]
    return merged


def compared(messages: Iterable[Message]) -> list[Key]:
    """The keys by which conversations are told apart: reasoning is not replayed, system prompts change."""
    return [key_of(m) for m in messages if m.kind != "reasoning" and m.role != "system"]


def _is_within(keys: Sequence[Key], whole: Sequence[Key]) -> bool:
    """Whether `keys` stand in `whole` in this order."""
    rest = iter(whole)
    return bool(keys) and all(key in rest for key in keys)


def _is_telling(key: Key) -> bool:
    return key[0] == "tool_call" or len(key[2]) >= _TELLING
