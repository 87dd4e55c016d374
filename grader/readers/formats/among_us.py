"""Among Us game logs: one object per player and step, written one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, assistant_text
from grader.readers.build import build_transcript, unread_transcript
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Message, Transcript

_ACTION = "Action"
_NAMED = frozenset({"game_index", "step", "player", "prompt"})


def parse_among_us(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per player and game; the players of one game share the ``scenario``.

    Memory and thinking are reasoning, the action is text. Holds one file in memory: the steps of the
    players are interleaved.
    """
    steps: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if not is_step(record.value):
            raise record.error("no step of a game: it needs 'player' and 'interaction'")
        player = as_text(record.value["player"].get("name"))
        steps.setdefault((as_text(record.value.get("game_index")), player), []).append(record)
    for (game, player), own in steps.items():
        yield _transcript(game, player, own)


def is_step(value: Any) -> bool:
    """Whether a record is one step of one player."""
    match value:
        case {"player": Mapping(), "interaction": Mapping()}:
            return True
    return False


def _transcript(game: str, player: str, steps: list[Record]) -> Transcript:
    file = steps[0].file
    parts: list[Message] = []
    system = ""
    for record in steps:
        interaction = record.value["interaction"]
        if (prompt := as_text(interaction.get("system_prompt"))) != system:
            parts.append(Message(role="system", kind="text", text=prompt))
            system = prompt
        parts.extend(_turn(interaction))
    metadata = {"scenario": game, "player": player} | {
        key: value for key, value in steps[0].value["player"].items() if key != "name"
    }
    try:
        raw = [record.value for record in steps]
        return build_transcript(f"{file}/{game}/{player}", parts, metadata, source=file, raw=raw, named=_NAMED)
    except InputError as error:
        return unread_transcript(steps[0], error.reason)


def _turn(interaction: Mapping[str, Any]) -> Iterator[Message]:
    prompt = interaction.get("prompt")
    seen = prompt.get("all_info", prompt) if isinstance(prompt, Mapping) else prompt
    if (text := as_text(seen)).strip():
        yield Message(role="user", kind="text", text=text)
    response = interaction.get("response")
    if not isinstance(response, Mapping):
        yield from assistant_text(as_text(response))
        return
    # Deeds after thoughts, in whatever order the model wrote the fields.
    for field in sorted(response, key=lambda name: name == _ACTION):
        if (text := as_text(response[field])).strip():
            yield Message(role="assistant", kind="text" if field == _ACTION else "reasoning", text=text)


FORMAT = Format(
    name="among-us",
    parse=parse_among_us,
    fits=is_step,
    unit="file",
    recognised_by="`player` and `interaction`, a step each",
    id="`<file>/<game>/<player>`",
    model="`player.model`",
    scenario="`game_index`",
    failures="no word of the agent",
)
