"""As much of Label Studio as push, pull and adjudicate ask for, in memory; faults on demand.

What it answers was compared with a real one by `tests/labels/test_label_studio_service.py`, which runs the same
functions against both.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "0123456789abcdef0123456789abcdef01234567"
Answer = tuple[int, Any]


@dataclass(kw_only=True)
class Fake:
    """The server's state. `fault` sees method and path of every request and may answer in its place."""

    url: str = ""
    projects: dict[int, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=lambda: {1: "owner@example.org"})
    requests: list[str] = field(default_factory=list)
    fault: Callable[[str, str], Answer | None] = lambda method, path: None
    clock: int = 0

    def now(self) -> str:
        """A moment later than all before."""
        self.clock += 1
        return f"2026-01-01T{self.clock // 3600:02}:{self.clock // 60 % 60:02}:{self.clock % 60:02}.000000Z"

    def annotate(self, task: int, rater: int, answers: dict[str, str], **more: Any) -> dict[str, Any]:
        """What a rater submits."""
        result = [
            {"from_name": control, "to_name": "dialogue", "type": "choices", "value": {"choices": [value]}}
            for control, value in answers.items()
        ]
        number = 1 + sum(len(t["annotations"]) for t in self.tasks.values())
        made = {"id": number, "completed_by": rater, "result": result, "was_cancelled": False, "ground_truth": False}
        made |= {"created_at": self.now(), "updated_at": self.now(), "lead_time": 9.5} | more
        self.tasks[task]["annotations"].append(made)
        return made

    def task_of(self, transcript_id: str, purpose: str = "labelling") -> int:
        """The number of a transcript's task."""
        (number,) = [
            n
            for n, task in self.tasks.items()
            if (task["data"]["transcript_id"], task["data"]["purpose"]) == (transcript_id, purpose)
        ]
        return number

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        """What the server says."""
        for pattern, handler in _ROUTES:
            if match := re.fullmatch(pattern, f"{method} {path}"):
                numbers = [int(n) for n in match.groups()]
                known = self.tasks if "/tasks/" in path and numbers else self.projects
                if numbers and numbers[0] not in known:
                    return 404, {"detail": "No Project matches the given query."}
                return handler(self, numbers, query, body)
        return 404, "<html>no such page</html>"


def _list_projects(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    found = [p for p in fake.projects.values() if query.get("title", "").lower() in p["title"].lower()]
    return 200, {"count": len(found), "next": None, "previous": None, "results": _paged(found, query)}


def _make_project(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    number = 1 + len(fake.projects)
    fake.projects[number] = {"id": number, "created_at": fake.now(), "task_number": 0} | body
    return 201, fake.projects[number]


def _get_project(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    return 200, fake.projects[numbers[0]]


def _import(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    for task in body:
        number = 1 + max(fake.tasks, default=0)
        fake.tasks[number] = {
            "id": number,
            "project": numbers[0],
            "data": task["data"],
            "annotations": [],
            "drafts": [],
        }
        fake.tasks[number]["predictions"] = task.get("predictions", [])
    fake.projects[numbers[0]]["task_number"] += len(body)
    return 201, {"task_count": len(body)}


def _list_tasks(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    project = int(query["project"])
    if project not in fake.projects:
        return 404, {"detail": "No Project matches the given query."}
    shown = []
    for task in _of(fake, project):
        skipped = sum(a["was_cancelled"] for a in task["annotations"])
        counts = {"total_annotations": len(task["annotations"]) - skipped, "cancelled_annotations": skipped}
        shown.append(task | counts | {"draft_exists": bool(task["drafts"])})
    return 200, {"tasks": _paged(shown, query), "total": len(shown)}


def _delete_task(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    del fake.tasks[numbers[0]]
    return 204, None


def _export(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    return 200, _of(fake, numbers[0])


def _users(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    return 200, [{"id": number, "email": email} for number, email in fake.users.items()]


def _version(fake: Fake, numbers: list[int], query: dict[str, str], body: Any) -> Answer:
    return 200, {"release": "1.23.2", "edition": "Community"}


_ROUTES: tuple[tuple[str, Callable[[Fake, list[int], dict[str, str], Any], Answer]], ...] = (
    (r"GET /api/projects/", _list_projects),
    (r"POST /api/projects/", _make_project),
    (r"GET /api/projects/(\d+)/", _get_project),
    (r"POST /api/projects/(\d+)/import", _import),
    (r"GET /api/projects/(\d+)/export", _export),
    (r"GET /api/tasks/", _list_tasks),
    (r"DELETE /api/tasks/(\d+)/", _delete_task),
    (r"GET /api/users/", _users),
    (r"GET /api/version/", _version),
)


def _of(fake: Fake, project: int) -> list[dict[str, Any]]:
    return [task for task in fake.tasks.values() if task["project"] == project]


def _paged(rows: list[Any], query: dict[str, str]) -> list[Any]:
    size, page = int(query.get("page_size", 30)), int(query.get("page", 1))
    return rows[(page - 1) * size : page * size]


@contextmanager
def fake_label_studio() -> Iterator[Fake]:
    """Serve on loopback until the block ends."""
    fake = Fake()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            with lock:
                fake.requests.append(f"{self.command} {parts.path}")
                status, body = fake.fault(self.command, parts.path) or (0, None)
                if not status and self.headers.get("Authorization") != f"Token {TOKEN}":
                    status, body = 401, {"detail": "Invalid token."}
                if not status:
                    status, body = fake.answer(self.command, parts.path, query, json.loads(raw) if raw else None)
            self.reply(status, body)

        def reply(self, status: int, body: Any) -> None:
            told = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
            kind = "text/html" if isinstance(body, str) else "application/json"
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(told.encode())))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.encode())

        do_GET = do_POST = do_DELETE = do_PATCH = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def slow(seconds: float) -> Callable[[str, str], Answer | None]:
    """A fault that lets every request wait."""

    def wait(method: str, path: str) -> Answer | None:
        time.sleep(seconds)
        return None

    return wait
