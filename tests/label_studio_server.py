"""Start a real Label Studio on loopback, with an SQLite database and as many users as a test wants.

The command is found in ``HARMRATE_LABEL_STUDIO`` (a path) or on ``PATH``. Use it as a context manager::

    with label_studio(folder) as server:
        ana = server.sign_up("ana@example.org")
        client = LabelStudio(base_url=server.url, api_key=server.owner.token)
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PASSWORD = "a-password-for-tests-only"
OWNER = "owner@example.org"
OWNER_TOKEN = "0123456789abcdef0123456789abcdef01234567"
START_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account: `token` is its legacy token (40 hex), `personal_token` its personal access token (a JWT)."""

    id: int
    email: str
    token: str
    personal_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running Label Studio."""

    url: str
    owner: User
    folder: Path
    process: subprocess.Popen[bytes]

    def sign_up(self, email: str, password: str = PASSWORD) -> User:
        """Make an account (or log in to the one that exists) and hand out its tokens."""
        with _session(self.url) as web:
            _post_form(web, "/user/signup/", email=email, password=password, allow_newsletters="false")
        with _session(self.url) as web:
            return _log_in(web, email, password, self.folder)


def find_label_studio() -> str | None:
    """The command to start, or None."""
    named = os.environ.get("HARMRATE_LABEL_STUDIO")
    return named if named and Path(named).is_file() else shutil.which("label-studio")


@contextmanager
def label_studio(folder: Path, *, port: int | None = None) -> Iterator[Server]:
    """Run Label Studio with its data in `folder` (kept: a second start takes seconds) until the block ends.

    Raises
    ------
    RuntimeError
        When it is not installed or does not answer within three minutes; the end of its log is told.
    """
    command = find_label_studio()
    if command is None:
        raise RuntimeError("no label-studio: set HARMRATE_LABEL_STUDIO to its command")
    folder.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(_arguments(command, folder, port), env=_environment(url), stdout=log, stderr=log)
        try:
            _wait(url, process, folder / "server.log")
            with _session(url) as web:
                owner = _log_in(web, OWNER, PASSWORD, folder)
            yield Server(url=url, owner=owner, folder=folder, process=process)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _arguments(command: str, folder: Path, port: int) -> list[str]:
    options = {"--data-dir": folder, "--port": port, "--internal-host": "127.0.0.1"}
    account = {"--username": OWNER, "--password": PASSWORD, "--user-token": OWNER_TOKEN}
    flat = [str(part) for pair in (options | account).items() for part in pair]
    return [command, "start", "--no-browser", *flat, "--enable-legacy-api-token"]


def _environment(url: str) -> dict[str, str]:
    quiet = {"COLLECT_ANALYTICS": "False", "LATEST_VERSION_CHECK": "False", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
    return dict(os.environ) | quiet | {"LABEL_STUDIO_HOST": url, "ML_BLOCK_LOCAL_IP": "false"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"label-studio did not start: {log.read_text(errors='replace')[-2000:]}")


def _session(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60, follow_redirects=True)


def _post_form(web: httpx.Client, path: str, **fields: str) -> httpx.Response:
    page = web.get(path)
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    token = found.group(1) if found else web.cookies.get("csrftoken", "")
    return web.post(path, data={"csrfmiddlewaretoken": token} | fields, headers={"Referer": str(page.url)})


def _log_in(web: httpx.Client, email: str, password: str, folder: Path) -> User:
    _post_form(web, "/user/login/", email=email, password=password, persist_session="on")
    me = web.get("/api/current-user/whoami")
    if me.status_code != 200:
        raise RuntimeError(f"{email} cannot log in: {me.status_code} {me.text[:200]}")
    legacy = web.get("/api/current-user/token").json()["token"]
    return User(id=int(me.json()["id"]), email=email, token=legacy, personal_token=_personal_token(web, email, folder))


def _personal_token(web: httpx.Client, email: str, folder: Path) -> str:
    """Shown once, when it is made, and one per user: remember it beside the data."""
    path = folder / f"personal-token-{email}"
    if not path.exists():
        headers = {"X-CSRFToken": web.cookies.get("csrftoken") or "", "Referer": str(web.base_url)}
        path.write_text(web.post("/api/token/", headers=headers).raise_for_status().json()["token"])
    return path.read_text()
