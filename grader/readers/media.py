"""Pictures, sound and files: a placeholder with type and size in place of their bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

# A string this long without a space is no text that a person or a model wrote.
MAX_UNBROKEN = 10_000
_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+=-]+)*;base64,(?P<data>[A-Za-z0-9+/=_%-]*)")
_UNBROKEN = re.compile(rf"[^\s]{{{MAX_UNBROKEN},}}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\n-]{4,}={0,2}\s*")
# Shorter texts without a space may be words.
_MIN_BASE64 = 1000
_KINDS = ("image", "audio", "video", "document", "file", "media", "pdf", "screenshot", "blob")
# A part of these types carries media even where its name says more: `input_image`, `image_url`, `output_audio`.
_PART = re.compile(r"(?:input_|output_|computer_)?(?P<kind>" + "|".join(_KINDS) + r")(?:_url|_file|_block|Content)?")
_FILE_NAME = re.compile(r"[^/:]+\.\w{1,5}")
# Where media parts keep the bytes, and where their names and addresses.
_BYTES = ("data", "b64_json", "base64", "bytes", "image_data", "file_data", "blob")
_TYPES = ("media_type", "mime_type", "mimeType", "mediaType", "format")
_NAMES = ("filename", "file_name", "name", "title", "url", "uri", "file_uri", "fileUri", "image_url", "file_id")
_INNER = (
    "source",
    "image_url",
    "input_audio",
    "audio",
    "video",
    "image",
    "file",
    "document",
    "inline_data",
    "inlineData",
)


def cut(text: str) -> tuple[str, int]:
    """The text with base64 and binary data replaced by placeholders, and how many there were.

    Examples
    --------
    >>> cut("See data:image/png;base64,iVBORw0KGgo= here")
    ('See [image] (image/png, 8 bytes) here', 1)
    """
    n = 0
    if ";base64," in text:
        text, n = _DATA_URL.subn(_data_url, text)
    if len(text) >= MAX_UNBROKEN and _UNBROKEN.search(text):
        text, more = _UNBROKEN.subn(lambda match: _binary(match[0]), text)
        n += more
    return text, n


def needs_cut(text: str) -> bool:
    """Whether `cut` may change a text: quick, for the many that it doesn't."""
    return len(text) >= MAX_UNBROKEN or ";base64," in text


def is_binary(text: str) -> bool:
    """Whether a text as a whole is base64 or binary data, a data URL or not."""
    if text.startswith("data:") and ";base64," in text[:200]:
        return _DATA_URL.fullmatch(text) is not None
    return len(text) >= _MIN_BASE64 and " " not in text[:_MIN_BASE64] and _BASE64.fullmatch(text) is not None


def size_of(text: str) -> str | None:
    """Type and size of a text that is, as a whole, a data URL or base64; None for any other."""
    if not is_binary(text):
        return None
    match = _DATA_URL.match(text)
    if match is None:
        return _size(len(text) * 3 // 4, text)
    return f"{match['type'] or 'data'}, {_size(len(match['data']) * 3 // 4, match['data'])}"


def placeholder(part: Mapping[str, Any]) -> str | None:
    """``[image] (image/png, 5 bytes)`` for a part that is a picture, sound, video or file; None for any other.

    A file that has a name is called by it: ``[plan.pdf]``.

    Examples
    --------
    >>> placeholder({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}})
    '[image] (image/png, 5 bytes)'
    >>> placeholder({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})
    '[image] (https://example.com/a.png)'
    >>> placeholder({"type": "text", "text": "Hi"}) is None
    True
    """
    kind = part.get("type")
    match = _PART.fullmatch(kind) if isinstance(kind, str) else None
    if match is None:
        return None
    facts: list[str] = []
    _describe(part, facts)
    name = next((fact for fact in facts if _FILE_NAME.fullmatch(fact)), match["kind"])
    about = ", ".join(dict.fromkeys(fact for fact in facts if fact != name))
    return f"[{name}] ({about})" if about else f"[{name}]"


def is_bytes(key: str, value: str) -> bool:
    """Whether a text in a media part is its bytes, not words."""
    if value.startswith("data:"):
        return _DATA_URL.fullmatch(value) is not None
    return (key in _BYTES and _BASE64.fullmatch(value) is not None) or key in _TYPES


def _describe(part: Mapping[str, Any], facts: list[str]) -> None:
    """Type, name, address and size of a part, as far as it has them, in that order."""
    for key in _TYPES:
        if isinstance(part.get(key), str):
            facts.append(part[key])
    for key in (*_NAMES, *_BYTES, *_INNER):
        value = part.get(key)
        if isinstance(value, Mapping):
            _describe(value, facts)
        elif isinstance(value, str) and value:
            facts.extend(_described(key, value))


def _described(key: str, value: str) -> list[str]:
    if match := _DATA_URL.match(value):
        return [match["type"] or "data", _size(len(match["data"]) * 3 // 4, match["data"])]
    if key in _BYTES:
        return [_size(len(value) * 3 // 4, value)]
    return [cut(value)[0]]


def _data_url(match: re.Match[str]) -> str:
    size = _size(len(match["data"]) * 3 // 4, match["data"])
    kind = (match["type"] or "").partition("/")[0]
    return f"[{kind if kind in _KINDS else 'file'}] ({match['type'] or 'data'}, {size})"


def _binary(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"[binary data] ({len(text)} characters, sha256 {digest})"


def _size(n_bytes: int, data: str) -> str:
    n_bytes -= data.count("=", -2)
    return f"{n_bytes} bytes" if n_bytes < 1024 else f"{n_bytes / 1024:.0f} kB"
