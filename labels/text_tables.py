"""Tables as spreadsheet programs write them: any separator, UTF-8 or UTF-16, with or without a byte-order mark."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

import pandas as pd

from grader.errors import InputError

_SEPARATORS = (",", ";", "\t", "|")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    """The text of a file, whichever Unicode encoding it was saved in.

    Raises
    ------
    InputError
        It cannot be read, or is in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _unmarked(data[:200])
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        reason = f"is not {encoding.upper()} text (byte {error.start}); save it as UTF-8"
        raise InputError(reason, file=path) from None


def _unmarked(start: bytes) -> str:
    """UTF-16 without a mark has a zero byte in every second place of plain letters."""
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = start[first::2]
        if len(zeros) > 1 and zeros.count(0) > 0.8 * len(zeros):
            return name
    return "utf-8"


def separator_of(text: str) -> str:
    """What separates the columns: the separator that the header holds most of, outside quotes.

    Examples
    --------
    >>> separator_of('a;"b,c,d";e')
    ';'
    """
    header = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    return max(_SEPARATORS, key=outside.count)


def table_of(text: str) -> pd.DataFrame:
    """The table in `text`, every cell as text.

    Raises
    ------
    InputError
        Rows of different lengths, or no table at all.
    """
    text = text.lstrip("\ufeff\n\r ")
    separator = separator_of(text)
    if text[:4].lower() == "sep=" and len(text.splitlines()[0]) == 5:  # how a spreadsheet program names its separator
        separator, text = text[4], text.split("\n", 1)[-1]
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"is no whole table ({str(error).splitlines()[0][:80]})") from None
    return table.rename(columns=lambda name: str(name).strip())
