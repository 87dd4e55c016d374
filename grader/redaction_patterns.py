"""What has the shape of an address, a key or a number: patterns, checks, and when two finds are the same thing."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Literal, get_args

RedactionKind = Literal["key", "email", "iban", "card", "ip", "ssn", "phone", "name"]

# In this order: what an earlier kind has taken, a later one does not see.
KINDS: tuple[RedactionKind, ...] = get_args(RedactionKind)

# Raise it with any change of the patterns below.
PATTERNS_VERSION = 1

PATTERNS: dict[str, str] = {
    "key": (
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
        r"(?:[\s\S]{0,10000}?-----END [A-Z ]{0,40}PRIVATE KEY-----|[A-Za-z0-9+/=\s]*)"
        r"|(?<![\w-])(?:sk|pk|rk)[-_](?=[\w-]*\d)[\w-]{16,}"  # model providers, payment services
        r"|(?<!\w)(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)"  # cloud access keys
        r"|(?<!\w)(?:gh[pousr]|github_pat|glpat|hf|xox[abeprs])[-_](?=[\w-]*\d)[\w-]{16,}"
        r"|(?<!\w)AIza[\w-]{35}"
        r"|(?<![\w-])eyJ[\w-]{5,}\.eyJ[\w-]{5,}\.[\w-]*"  # JSON web tokens
        r"|(?<!\w)[0-9a-fA-F]{32,}(?!\w)"
    ),
    "email": r"(?<![\w.+%-])[\w.+%-]+@(?:[\w-]{1,63}\.)+[^\W\d_][\w-]{1,62}",
    "iban": r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)",
    "card": r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])",
    "ip": r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)",
    "ssn": r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])",  # US social security number
    "phone": (
        r"(?<![\w.+-])(?:"
        r"(?:\+|00)[1-9](?:[ ().-]{0,2}\d){6,14}"  # international
        r"|(?:\(\d{3}\)|\d{3})[ .-]\d{3}[ .-]\d{4}"  # 555-010-0199
        r"|(?:\(0\d{2,5}\)|0\d{2,5})[ /-]\d{5,8}"  # 0170 1234567
        r"|0\d{1,4}(?: \d{2,4}){2,4}"  # 020 7946 0958
        r")(?!\w|-\d|\.\d)"
    ),
}
_LONGEST_PHONE, _SHORTEST_PHONE = 15, 9


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def _is_card(text: str) -> bool:
    """Luhn: every second digit from the right doubled, its digits summed; all together a multiple of ten."""
    digits = [int(c) for c in reversed(_digits(text))]
    return any(digits) and (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 13616: country and check digits moved to the end, letters as 10 to 35, the remainder by 97 is 1."""
    packed = text.replace(" ", "")
    return 15 <= len(packed) <= 34 and int("".join(str(int(c, 36)) for c in packed[4:] + packed[:4])) % 97 == 1


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.version == 4 or any(c.isdigit() for c in text)  # `a::b` is code, not an address


def _is_phone(text: str) -> bool:
    return _SHORTEST_PHONE - 2 * text.startswith("+") <= len(_digits(text)) <= _LONGEST_PHONE


# A find that fails its check is left as it is.
CHECKS: dict[str, Callable[[str], bool]] = {"card": _is_card, "iban": _is_iban, "ip": _is_ip, "phone": _is_phone}
# Finds that fold to the same text get the same pseudonym.
FOLDS: dict[str, Callable[[str], str]] = {
    "email": str.casefold,
    "iban": lambda text: text.replace(" ", ""),
    "card": _digits,
    "phone": _digits,
    "ip": str.casefold,
    "name": lambda text: " ".join(text.split()).casefold(),
}
