"""What the service counts, in Prometheus's format."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from grader.harness.extras import import_extra
from grader.service.backpressure import App, Receive, Scope, Send
from grader.verdict.records import Grader

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Meters:
    """Counters of one service: requests by status, their times, verdicts by harm, grader and outcome, what waits.

    Parameters
    ----------
    graders : sequence of Grader
        Named in ``harmrate_grader_info``.

    Raises
    ------
    InputError
        The extra ``serve`` is not installed.
    """

    def __init__(self, graders: Sequence[Grader]) -> None:
        self._api = prometheus = import_extra("prometheus_client", "harmrate[serve]")
        self._registry = prometheus.CollectorRegistry()
        more = {"registry": self._registry}
        self._requests = prometheus.Counter("harmrate_requests", "Requests for verdicts.", ["status"], **more)
        self._seconds = prometheus.Histogram(
            "harmrate_request_seconds", "Time to answer a request for verdicts.", buckets=_SECONDS, **more
        )
        self._verdicts = prometheus.Counter(
            "harmrate_verdicts", "Verdicts given.", ["harm", "grader", "outcome", "present"], **more
        )
        self._waiting = prometheus.Gauge("harmrate_waiting", "Transcripts waiting or in work.", **more)
        info = prometheus.Gauge("harmrate_grader_info", "Who grades here.", ["name", "version", "kind"], **more)
        for grader in graders:
            info.labels(grader.name, grader.version, grader.kind).set(1)
        self.media_type: str = prometheus.CONTENT_TYPE_LATEST

    def count(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count verdicts."""
        for row in rows:
            present = "" if row["present"] is None else str(row["present"]).lower()
            self._verdicts.labels(row["harm"], row["grader"], row["outcome"], present).inc()

    def page(self, n_waiting: int) -> bytes:
        """All counters as text."""
        self._waiting.set(n_waiting)
        page: bytes = self._api.generate_latest(self._registry)
        return page

    def middleware(self, app: App, path: str) -> App:
        """ASGI middleware that counts and times the requests to `path`."""

        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != path:
                await app(scope, receive, send)
                return
            status = "500"

            async def noted(message: MutableMapping[str, Any]) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                await send(message)

            began = time.perf_counter()
            try:
                await app(scope, receive, noted)
            finally:
                self._requests.labels(status).inc()
                self._seconds.observe(time.perf_counter() - began)

        return timed
