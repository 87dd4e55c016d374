"""Asking a running ``harmrate serve``: for harnesses that start a process per call and cannot load a grader in each."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

from grader.errors import InputError
from grader.transcript import Transcript

TOKEN = "HARMRATE_SERVE_TOKEN"
PATH = "/v1/verdicts"
_TIMEOUT = 600.0


def service_rows(url: str, transcripts: Iterable[Transcript]) -> Iterator[dict[str, Any]]:
    """Yield the verdict rows that the service at `url` answers, a request for all `transcripts`.

    Parameters
    ----------
    url : str
        ``http://HOST:PORT`` of the service; its token is taken from the environment (``HARMRATE_SERVE_TOKEN``).
    transcripts : iterable of Transcript

    Raises
    ------
    InputError
        No such service, or it refuses; the message holds its reason.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"the service's address must begin with http:// or https://, got {url!r}")
    body = json.dumps({"transcripts": [t.to_dict() for t in transcripts]}).encode()
    headers = {"content-type": "application/json"}
    if token := os.environ.get(TOKEN):
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url.rstrip("/") + PATH, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            yield from json.load(answer)["verdicts"]
    except urllib.error.HTTPError as error:
        raise InputError(f"the service refuses ({error.code}): {_reason(error)}", file=url) from None
    except (urllib.error.URLError, TimeoutError, ValueError, KeyError) as error:
        raise InputError(f"no answer from the service: {getattr(error, 'reason', error)}", file=url) from None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
