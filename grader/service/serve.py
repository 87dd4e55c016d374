"""Running the scoring service: where it listens, whom it lets in, how it stops."""

from __future__ import annotations

import ipaddress
import os
import signal
from collections.abc import Sequence
from typing import Any

from grader.errors import InputError
from grader.harness.extras import import_extra
from grader.service.app import EXTRA, make_app
from grader.service.client import TOKEN
from grader.verdict.records import Grader

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# Seconds that a resting connection is kept. Longer than clients keep theirs (httpx: 5), else one that waited as a 429
# told it may ask again just when its connection is closed, and take that for a lost request.
KEEP_ALIVE = 75
# Seconds in which a new connection must bring the head of its first request.
HEADER_SECONDS = 20.0


def serve(graders: Sequence[Grader], *, host: str = "127.0.0.1", port: int = 8765, **limits: int) -> None:
    """Answer requests until SIGTERM or Ctrl-C; what is in work then is still answered.

    Parameters
    ----------
    graders : sequence of Grader
    host : str
        Address to listen at. Any but this machine's own (loopback) takes a token in ``HARMRATE_SERVE_TOKEN``.
    port : int
        0 takes a free one, told on stderr.
    limits
        ``max_waiting, max_batch, max_bytes`` of `make_app`.

    Raises
    ------
    InputError
        The extra ``serve`` is not installed; no token though others can reach the service; the port is taken.
    """
    uvicorn = import_extra("uvicorn", EXTRA)
    token = os.environ.get(TOKEN) or None
    if token is None and not is_loopback(host):
        raise InputError(f"others can reach {host}: set a token in {TOKEN}, or listen at 127.0.0.1")
    warm_up(graders)
    app = make_app(graders, token=token, hosts=None if token else LOOPBACK_NAMES, **limits)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        http=impatient_protocol(seconds=HEADER_SECONDS, most=connection_limit()),
    )
    server = uvicorn.Server(config)
    _run(server, host, port)


def impatient_protocol(*, seconds: float, most: int) -> type[Any]:
    """Uvicorn's protocol, but for connections without a request.

    Parameters
    ----------
    seconds : float
        A connection whose first request has not arrived by then is closed.
    most : int
        Connections open at once; further ones are closed at once.
    """
    base: Any = import_extra("uvicorn.protocols.http.h11_impl", EXTRA).H11Protocol

    class Impatient(base):  # type: ignore[misc, unused-ignore]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > most:
                transport.abort()
            else:
                self.loop.call_later(seconds, self._close_without_request)

        def _close_without_request(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    return Impatient


def connection_limit() -> int:
    """Connections that leave room for files and for the judge's connections below the limit of open files."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(4096, soft // 2))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def warm_up(graders: Sequence[Grader]) -> None:
    """Load embedding models now, not while somebody waits."""
    for grader in graders:
        if grader.kind == "classifier":
            getattr(grader, "encoder_", None)


def _run(server: Any, host: str, port: int) -> None:
    # uvicorn stops in good order on SIGTERM and then raises the signal again, for whoever handled it before.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run()
    except SystemExit:
        raise InputError(f"cannot listen at {host}:{port}") from None
    finally:
        signal.signal(signal.SIGTERM, before)
