"""Messages of Amazon Bedrock's Converse API (and Strands): content blocks without ``type``, named by their one key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import role_of
from grader.readers.shapes.common import Names, called, json_text, mapping, media, objects, returned, spoken, thought
from grader.transcript import Message, Role

_KINDS = frozenset(
    {
        "text",
        "toolUse",
        "toolResult",
        "reasoningContent",
        "citationsContent",
        "guardContent",
        "searchResult",
        "image",
        "document",
        "video",
        "audio",
        "cachePoint",
        "toolAddition",
        "toolRemoval",
    }
)
_IGNORED = frozenset({"cachePoint", "toolAddition", "toolRemoval"})


def is_message(message: Mapping[str, Any]) -> bool:
    """Whether a message has blocks that are named by their key."""
    content = message.get("content")
    return "role" in message and isinstance(content, list) and any(is_block(block) for block in content)


def is_block(block: Any) -> bool:
    """Whether a value is a block of the Converse API."""
    return isinstance(block, Mapping) and "type" not in block and not _KINDS.isdisjoint(block)


def message_parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The parts of one message."""
    role = role_of(message.get("role"))
    for block in message["content"]:
        if isinstance(block, Mapping):
            yield from _block(role, block, names)
        else:
            yield from spoken(role, block)


def _block(role: Role, block: Mapping[str, Any], names: Names) -> Iterator[Message]:
    use, result = mapping(block.get("toolUse")), mapping(block.get("toolResult"))
    if use:
        yield called(use.get("name"), use.get("input"), use.get("toolUseId"), names)
    elif result:
        yield returned(_result_text(result), call_id=result.get("toolUseId"), names=names)
    elif "reasoningContent" in block:
        yield thought(_reasoning(mapping(block["reasoningContent"])), role=role)
    elif _KINDS.isdisjoint(block):
        raise InputError(f"unknown kind of content: {', '.join(sorted(map(str, block)))[:80]}")
    else:
        yield from spoken(role, block_text(block))


def _reasoning(content: Mapping[str, Any]) -> Any:
    text = content.get("reasoningText", content)
    return text.get("text") if isinstance(text, Mapping) else text


def _result_text(result: Mapping[str, Any]) -> str:
    content = result.get("content")
    blocks = content if isinstance(content, list) else [content]
    return "\n".join(block_text(block) if isinstance(block, Mapping) else json_text(block) for block in blocks)


def block_text(block: Mapping[str, Any]) -> str:
    """The text of a block; a picture, a film or a document is a placeholder."""
    if "text" in block:
        return json_text(block["text"])
    if "json" in block:
        return json_text(block["json"])
    for kind in ("image", "video", "audio"):
        if kind in block:
            return media(kind, None, _address(mapping(block[kind])))
    if document := mapping(block.get("document")):
        return _document(document)
    if guard := mapping(block.get("guardContent")):
        return json_text(mapping(guard.get("text")).get("text")) if "text" in guard else media("image")
    inner = mapping(block.get("citationsContent")) or mapping(block.get("searchResult"))
    if inner:
        texts = [
            json_text(inner.get("title")),
            *(json_text(part.get("text")) for part in objects(inner.get("content"))),
        ]
        return "\n".join(text for text in texts if text)
    return "" if _IGNORED & block.keys() else json_text(block)


def _document(document: Mapping[str, Any]) -> str:
    """The document's name; its words, too, where the log has them as text."""
    name, suffix = document.get("name"), document.get("format")
    if isinstance(name, str) and isinstance(suffix, str) and not name.endswith(f".{suffix}"):
        name = f"{name}.{suffix}"
    source = mapping(document.get("source"))
    return "\n".join([media("document", name, _address(document)), *_texts(source)])


def _address(holder: Mapping[str, Any]) -> Any:
    """Where a picture or a document is kept outside of the message."""
    return mapping(mapping(holder.get("source")).get("s3Location")).get("uri")


def _texts(holder: Mapping[str, Any]) -> list[str]:
    """The texts in a block's ``text`` and in its list ``content``."""
    texts = [holder.get("text"), *(part.get("text") for part in objects(holder.get("content")))]
    return [json_text(text) for text in texts if text]
