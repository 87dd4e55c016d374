"""What the message shapes of all vendors share: calls, results, reasoning, placeholders for media."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import WITHHELD, as_text, assistant_text, make_call, remember
from grader.readers.media import size_of
from grader.transcript import Message, Role

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|/|file-")
Names = dict[str, str]  # call id -> tool name, for results that name only the call


def spoken(role: Role, text: Any, *, name: str | None = None) -> Iterator[Message]:
    """Text of one speaker, split where an agent's text contains calls or scratchpads; nothing for blank text."""
    value = as_text(text)
    if role == "assistant":
        yield from assistant_text(value)
    elif value.strip():
        kind = "tool_result" if role == "tool" else "text"
        yield Message(role=role, kind="tool_result" if kind == "tool_result" else "text", text=value, name=name)


def thought(text: Any, *, role: Role = "assistant") -> Message:
    """Reasoning; where the provider sent only a signature or encrypted text, the placeholder that says so."""
    value = as_text(text)
    return Message(role=role, kind="reasoning", text=value if value.strip() else WITHHELD)


def called(name: Any, arguments: Any, call_id: Any, names: Names) -> Message:
    """A tool call, remembered for the result that names only its id."""
    call = make_call(name, arguments)
    remember(call_id, call, names)
    return call


def returned(text: str, *, call_id: Any = None, name: Any = None, names: Names | None = None) -> Message:
    """What a tool returned, under the tool's name."""
    if not (isinstance(name, str) and name):
        name = (names or {}).get(call_id) if isinstance(call_id, str) else None
    return Message(role="tool", kind="tool_result", text=text, name=name)


def media(kind: str, name: Any = None, *addresses: Any) -> str:
    """The placeholder for a picture, a sound or a file, with its name and its address where the log has them.

    An address is part of what was said: data can leave in the address of a picture.

    Examples
    --------
    >>> media("image"), media("document", "contract.pdf"), media("image", None, "https://example.com/a.png")
    ('[image]', '[contract.pdf]', '[image] (https://example.com/a.png)')
    >>> media("image", None, "data:image/png;base64,aGVsbG8=")
    '[image] (image/png, 5 bytes)'
    """
    label = f"[{name}]" if isinstance(name, str) and name else f"[{kind}]"
    texts = [address for address in addresses if isinstance(address, str) and address]
    about = [size_of(text) or (text if _ADDRESS.match(text) and not text.startswith("data:") else "") for text in texts]
    return " ".join([label, *(f"({fact})" for fact in dict.fromkeys(about) if fact)])


def media_kind(media_type: Any) -> str:
    """``image`` for ``image/png``; ``file`` for what is not a picture, a sound or a film."""
    kind = media_type.partition("/")[0] if isinstance(media_type, str) else ""
    return kind if kind in ("image", "audio", "video") else "file"


def json_text(value: Any) -> str:
    """Any JSON value as text; text stays as it is, and null becomes nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is an object; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; an empty list where `value` is not a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def first_text(record: Mapping[str, Any], *keys: str) -> str | None:
    """The first field of a record that contains text."""
    return next((record[key] for key in keys if isinstance(record.get(key), str) and record[key]), None)
