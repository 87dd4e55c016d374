"""A Label Studio server: who asks, which project, and what its refusals mean in one line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from grader.errors import InputError
from grader.files.secrets import refuse_credentials

if TYPE_CHECKING:
    import httpx

TIMEOUT = 120.0
_PAGE = 100
_TOLD = 160
# A server may send back the token that it was sent; no word of a reason is this long.
_KEY_LIKE = re.compile(r"[\w.+/=-]{32,}")

_MEANING = {
    401: "the token was rejected; take a new one under Account & Settings (a legacy token only where the server "
    "allows these)",
    403: "the token's account may not do this",
    404: "there is no such project; was it deleted?",
    413: "the tasks are larger than the server takes",
    429: "too many requests; run the same command again later",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """A server that answers.

    Parameters
    ----------
    url : str
        Without a slash at its end.
    client : label_studio_sdk.LabelStudio
    """

    url: str
    client: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project on the server: its number, title, the labelling page, and what names it in a history of labels."""

    id: int
    title: str
    config: str
    key: str


@contextmanager
def connect(url: str, token: str, *, timeout: float = TIMEOUT, retries: int = 2) -> Iterator[Studio]:
    """A client for the server at `url`, until the block ends; nothing is asked yet.

    Parameters
    ----------
    url : str
        ``http://...`` or ``https://...``.
    token : str
        A personal access token or a legacy token; it is never told, in no message.
    timeout : float
        Seconds for one request.
    retries : int
        How often a request that only reads is repeated when the server fails.

    Raises
    ------
    InputError
        No URL, or one that holds a password; no token, or a personal access token whose time is over.

    Examples
    --------
    >>> with connect("localhost:8080", "0123456789abcdef") as studio:
    ...     pass
    Traceback (most recent call last):
    grader.errors.InputError: the address of Label Studio must start with http:// or https://, got 'localhost:8080'
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"the address of Label Studio must start with http:// or https://, got {url!r}")
    refuse_credentials(url, "Label Studio", "LABEL_STUDIO_API_KEY")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError("the token of Label Studio must be one word of plain letters (LABEL_STUDIO_API_KEY)")
    import httpx
    from label_studio_sdk import LabelStudio

    url = url.rstrip("/")
    watch = {"response": [_stays_there]}
    with httpx.Client(timeout=timeout, follow_redirects=True, event_hooks=watch) as web:
        with refusals(url):
            # The slash at the end keeps a path in the address when a personal access token is exchanged.
            client = LabelStudio(
                base_url=f"{url}/", api_key=token, timeout=timeout, max_retries=retries, httpx_client=web
            )
        yield Studio(url=url, client=client)


def _stays_there(response: httpx.Response) -> None:
    """Refuse a redirect to another host: token and tasks are for the one that was named."""
    if response.has_redirect_location:
        here = response.request.url
        there = here.join(response.headers["location"])
        if (there.host, there.port) != (here.host, here.port):
            told = f"redirects to {there.host}; nothing was sent there, name that address (--url)"
            raise InputError(told, file=f"{here.scheme}://{here.host}")


@contextmanager
def refusals(url: str, doing: str | None = None) -> Iterator[None]:
    """What the server refuses or leaves unanswered, as an InputError of one line."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        yield
    except ApiError as error:
        raise InputError(_refusal(error.status_code, error.body), file=url, record=doing) from None
    except json.JSONDecodeError:
        raise InputError(_refusal(None, None), file=url, record=doing) from None
    except httpx.TimeoutException:
        raise InputError(
            "no answer in time; nothing is lost, run the same command again", file=url, record=doing
        ) from None
    except httpx.HTTPError as error:
        raise InputError(f"cannot be reached ({_short(str(error))})", file=url, record=doing) from None
    except httpx.InvalidURL as error:
        raise InputError(f"is no address ({_short(str(error))})", file=url) from None


def _refusal(status: int | None, body: Any) -> str:
    if status is None or status < 300:
        return "does not answer like Label Studio; is the address right?"
    meaning = _MEANING.get(status)
    if meaning is None and status >= 500:
        meaning = "the server failed; nothing is lost, run the same command again"
    return f"{meaning or _detail(body)} ({status})"


def _detail(body: Any) -> str:
    """The server's own words: what it says of the fields, else its sentence."""
    if isinstance(body, dict):
        told = body.get("validation_errors") or body.get("detail") or body
        while isinstance(told, dict | list) and told:
            told = next(iter(told.values() if isinstance(told, dict) else told))
        return _short(str(told))
    return "the request was refused"


def _short(text: str) -> str:
    text = _KEY_LIKE.sub("[...]", " ".join(text.split()))
    return text if len(text) <= _TOLD else f"{text[:_TOLD]}..."


# ---- Projects -------------------------------------------------------------------------------------------------------


def config_hash(config: str) -> str:
    """What a labelling configuration shows, as 12 hex digits: blanks between its elements do not count.

    Examples
    --------
    >>> wide, tight = '<View>  <Text name="a" value="$b"/></View>', '<View><Text value="$b" name="a"/></View>'
    >>> config_hash(wide) == config_hash(tight)
    True
    """
    try:
        canonical = ElementTree.canonicalize(config, strip_text=True)
    except ElementTree.ParseError:
        canonical = config
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def find_project(studio: Studio, number: int) -> Project:
    """The project of that number.

    Raises
    ------
    InputError
        There is none (any more), or the token may not see it.
    """
    with refusals(studio.url, f"project {number}"):
        return _project(studio.client.projects.get(number))


def find_or_make_project(studio: Studio, title: str, config: str, **settings: Any) -> tuple[Project, bool]:
    """The project with this title and labelling page, made with `settings` when there is none; whether it is new.

    Raises
    ------
    InputError
        Projects of this title have another page.
    """
    wanted = config_hash(config)
    with refusals(studio.url, f"project {title!r}"):
        # A filter of the server's own may find longer titles, too.
        named = [p for p in studio.client.projects.list(title=title, page_size=_PAGE) if p.title == title]
        same = [p for p in named if config_hash(p.label_config or "") == wanted]
        if same:
            # Of two (a project made in the very moment an earlier run was stopped) the one that is in use.
            return _project(max(same, key=lambda p: (p.task_number or 0, -p.id))), False
        if named:
            reason = "has another labelling page than the campaign; give the campaign another title"
            raise InputError(f"project {named[0].id} {reason} (--title)", file=studio.url, record=f"project {title!r}")
        made = studio.client.projects.create(title=title, label_config=config, **settings)
        return find_project(studio, made.id), True


def _project(found: Any) -> Project:
    # Numbers begin anew on another server: the moment it was made tells the projects apart.
    made = f"{found.created_at:%Y-%m-%dT%H:%M:%SZ}" if found.created_at is not None else ""
    return Project(
        id=found.id, title=found.title or "", config=found.label_config or "", key=f"{found.id} {made}".strip()
    )
