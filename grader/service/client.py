"""Asking a running ``harmrate serve``: for harnesses that start a process per call and cannot load a grader in each."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

from grader.errors import InputError
from grader.files.secrets import hidden, refuse_credentials
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
    refuse_credentials(url, "the service", TOKEN)
    body = json.dumps({"transcripts": [t.to_dict() for t in transcripts]}).encode()
    headers = {"content-type": "application/json"}
    if token := os.environ.get(TOKEN, ""):
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url.rstrip("/") + PATH, body, headers)
    try:
        with _opener().open(request, timeout=_TIMEOUT) as answer:
            yield from json.load(answer)["verdicts"]
    except urllib.error.HTTPError as error:
        told = hidden(f"the service refuses ({error.code}): {_reason(error)}", {token} - {""})
        raise InputError(told, file=url) from None
    except (urllib.error.URLError, TimeoutError, ValueError, KeyError, RecursionError) as error:
        raise InputError(f"no answer from the service: {getattr(error, 'reason', error)}", file=url) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry token and transcripts to a host that nobody named."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        """None: the answer is an error then."""
        return


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return str(error.reason)
