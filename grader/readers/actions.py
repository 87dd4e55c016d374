"""Calls that agents write as text (``<tool_use:email>``, ``<tool_call>``), and scratchpads, as messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from grader.transcript import Message, tool_call

_SCRATCH = "SCRATCHPAD_REASONING|scratchpad|think|thinking"
# One block, up to its closing tag or, in a reply that was cut off, the end.
_BLOCK = re.compile(
    rf"<(?:(?P<scratch>{_SCRATCH})|tool_use:(?P<tool>[\w.-]{{1,64}})|(?P<call>tool_call(?=>\s*\{{)))>"
    rf"(?P<body>.*?)(?:</(?:(?P=scratch)|(?P=call)|tool_use(?::[\w.-]{{1,64}})?)>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
# A chat template may have written the opening tag already.
_UNOPENED = re.compile(rf"\A(?P<body>(?:(?!<(?:{_SCRATCH})>).)*?)</(?:{_SCRATCH})>", re.DOTALL | re.IGNORECASE)
_FIELD = re.compile(r"^[ \t]*(?P<key>[A-Za-z]\w{0,31})[ \t]*:[ \t]?", re.MULTILINE)
_LONG = ("body", "message", "content", "text")
_QUOTES = ('"""', '"', "'")


def split_actions(text: str) -> Iterator[Message]:
    r"""Yield an agent's reply as messages: text, reasoning and tool calls in the order written.

    Examples
    --------
    >>> reply = "<scratchpad>Hm.</scratchpad>Done.<tool_use:email>\nto: k@x.com\nbody: Hi,\nAl\n</tool_use:email>"
    >>> [(m.kind, m.name, m.text) for m in split_actions(reply)]
    [('reasoning', None, 'Hm.'), ('text', None, 'Done.'), ('tool_call', 'email', 'to: k@x.com\nbody: Hi,\nAl')]
    """
    position = 0
    if unopened := _UNOPENED.match(text):
        yield from _said("reasoning", unopened["body"])
        position = unopened.end()
    for block in _BLOCK.finditer(text, position):
        yield from _said("text", text[position : block.start()])
        if block["call"]:
            yield from _json_call(block)
        elif block["tool"]:
            yield parse_action(block["tool"], block["body"])
        else:
            yield from _said("reasoning", block["body"])
        position = block.end()
    yield from _said("text", text[position:])


def _json_call(block: re.Match[str]) -> Iterator[Message]:
    """A call as Hermes and Qwen write it, ``<tool_call>{"name": ..., "arguments": ...}</tool_call>``; else text."""
    try:
        value = json.loads(block["body"])
    except (ValueError, RecursionError):
        value = None
    arguments = value.get("arguments", {}) if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(arguments, dict):
        yield tool_call(value["name"], arguments)
    else:
        yield from _said("text", block[0])


def parse_action(name: str, body: str) -> Message:
    """A tool call from the ``field: value`` lines between its tags; without fields, its bare text.

    The long field (``body``) takes everything that follows it: a line of a letter may look like a field.
    """
    arguments: dict[str, str] = {}
    fields = list(_FIELD.finditer(body))
    if not fields or body[: fields[0].start()].strip():
        return tool_call(name, {}, text=body.strip())
    for this, following in zip(fields, [*fields[1:], None], strict=True):
        key = this["key"].lower()
        long = key in _LONG
        end = len(body) if long or following is None else following.start()
        arguments[key] = _unquote(body[this.end() : end])
        if long:
            break
    return tool_call(name, arguments)


def _said(kind: str, text: str) -> Iterator[Message]:
    if stripped := text.strip():
        yield Message(role="assistant", kind="reasoning" if kind == "reasoning" else "text", text=stripped)


def _unquote(value: str) -> str:
    value = value.strip().removesuffix(",").rstrip()
    for quote in _QUOTES:
        if value.startswith(quote):
            return value.removeprefix(quote).removesuffix(quote).strip()
    # The model forgot the opening quote: `to: k@x.com",`
    return value.removesuffix('"') if value.count('"') == 1 else value
