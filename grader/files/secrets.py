"""Keys and tokens: none in addresses, which are written down, and none in what a server sends back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from grader.errors import InputError

_SECRET_HEADER = re.compile(r"key|auth|token|secret|cookie", re.IGNORECASE)
# What is shorter is a placeholder, and might be a word of the text.
_SHORTEST = 16


def refuse_credentials(url: str, what: str, instead: str) -> None:
    """Refuse an address that holds a user name or password.

    Parameters
    ----------
    url : str
    what : str
        Whose address it is.
    instead : str
        Where its key belongs.

    Raises
    ------
    InputError
        It holds one; the message repeats nothing of it.

    Examples
    --------
    >>> refuse_credentials("https://me:secret@host/", "the service", "HARMRATE_SERVE_TOKEN")
    Traceback (most recent call last):
    grader.errors.InputError: the address of the service holds a user name or password; its key belongs in
    HARMRATE_SERVE_TOKEN
    """
    if "@" in urlsplit(url).netloc:
        raise InputError(f"the address of {what} holds a user name or password; its key belongs in {instead}")


def secrets_of(headers: Mapping[str, str]) -> set[str]:
    """The keys and tokens among the headers of a request.

    Examples
    --------
    >>> sorted(secrets_of({"x-api-key": "0123456789abcdef", "Authorization": "Bearer abcdefghijklmnop", "accept": "x"}))
    ['0123456789abcdef', 'abcdefghijklmnop']
    """
    found = {str(value).removeprefix("Bearer ") for name, value in headers.items() if _SECRET_HEADER.search(name)}
    return {value for value in found if len(value) >= _SHORTEST}


def hidden(value: Any, secrets: Iterable[str]) -> Any:
    """JSON-able data with ``[secret]`` in the place of each of `secrets`: a server may send back what it was sent.

    Examples
    --------
    >>> hidden({"message": ["no such key: 0123456789abcdef"]}, {"0123456789abcdef"})
    {'message': ['no such key: [secret]']}
    """
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, "[secret]")
            return value
        case Mapping():
            return {hidden(name, secrets): hidden(each, secrets) for name, each in value.items()}
        case list() | tuple():
            return [hidden(each, secrets) for each in value]
    return value
