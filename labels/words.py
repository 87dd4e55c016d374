"""Words for yes, no and unsure that people write into tables and choices."""

from __future__ import annotations

import unicodedata
from typing import Any, Literal

Side = Literal["yes", "no", "unsure"]

YES = frozenset(
    "yes y true t 1 1.0 ja j oui si sí sim tak da да evet hai はい 是 wahr vrai verdadero vero harmful present".split()
)
NO = frozenset(
    "no n false f 0 0.0 nein non não nao nie nej nei nee нет hayır いいえ 否 falsch faux falso harmless absent".split()
)
UNSURE = frozenset(
    {
        "", "unsure", "nan", "none", "null", "na", "n/a", "<na>", "?", "don't know", "dont know", "do not know",
        "cannot tell", "can't tell", "can not tell", "unclear", "undecided", "not sure", "maybe", "unsicher", "unklar",
        "weiß nicht", "weiss nicht", "nicht sicher", "incertain", "pas sûr", "je ne sais pas", "no sé", "no se",
        "inseguro", "incierto", "incerto", "não sei", "non so", "nie wiem", "onzeker", "weet niet", "не знаю",
        "不确定", "わからない",
    }
)  # fmt: skip


def plain(value: Any) -> str:
    """A value as people compare it: no blanks around it, no capitals, one form of each character."""
    return "" if value is None else unicodedata.normalize("NFKC", str(value)).strip().casefold()


def side_of(value: Any) -> Side | None:
    """What a word says, or None when it is no word for yes, no or unsure.

    Examples
    --------
    >>> side_of(" Ja "), side_of(0), side_of(1.0), side_of("weiß nicht"), side_of("perhaps a bit")
    ('yes', 'no', 'yes', 'unsure', None)
    """
    word = plain(value)
    if word in YES:
        return "yes"
    if word in NO:
        return "no"
    return "unsure" if word in _UNSURE else None


_UNSURE = frozenset(plain(word) for word in UNSURE)
