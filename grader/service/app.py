"""The scoring service: transcripts over HTTP, verdicts back (``harmrate serve``).

No annotation is postponed here: FastAPI reads those of functions that are made in functions.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from grader.errors import InputError
from grader.harness.extras import import_extra
from grader.judge.clients.protocol import RunStopped
from grader.service.backpressure import BodyRoom, RetryAfterEstimator
from grader.service.client import PATH
from grader.service.meters import Meters
from grader.service.models import BatchIn, Health, Refusal, TranscriptIn, VerdictsOut, transcripts_of
from grader.service.queue import GraderQueue, Rows
from grader.transcript import Transcript
from grader.verdict.records import Grader

EXTRA = "harmrate[serve]"
MAX_WAITING = 256
MAX_BATCH = 64
MAX_BYTES = 16_000_000
# Largest bodies that may be in memory at once; their transcripts take several times their bytes.
MAX_BODIES = 8

_REFUSALS = {
    400: "the body is no JSON",
    401: "no token, or not the right one",
    413: "too large a body, or too many transcripts at once",
    422: "a body that holds no transcript",
    429: "too much is waiting: come back after `Retry-After` seconds",
    502: "a grader failed, e.g. its server refused the API key",
    503: "the judge cannot go on, e.g. its spend limit is reached",
}


class Busy(Exception):
    """More is waiting than the service takes; there should be room after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(_REFUSALS[429])
        self.seconds = seconds


class GraderFailed(Exception):
    """A grader could not grade what it was asked to, for no fault of the request."""


class Desk:
    """Takes transcripts while there is room, and hands them to every grader.

    Parameters
    ----------
    graders : sequence of Grader
    max_waiting : int
        Transcripts that may be waiting or in work; more are refused (`Busy`).
    """

    def __init__(self, graders: Sequence[Grader], *, max_waiting: int = MAX_WAITING) -> None:
        self.lanes = [GraderQueue(grader) for grader in graders]
        self.max_waiting = max_waiting
        self.n_waiting = 0
        self.turns = RetryAfterEstimator(max_waiting)

    async def rows(self, transcripts: Sequence[Transcript]) -> Rows:
        """The verdict rows of `transcripts`, grader by grader."""
        if self.n_waiting + len(transcripts) > self.max_waiting:
            raise Busy(self.turns.next(len(transcripts)))
        self.n_waiting += len(transcripts)
        in_line, began = self.n_waiting, time.monotonic()
        try:
            rows = await asyncio.gather(*(asyncio.wrap_future(lane.submit(transcripts)) for lane in self.lanes))
        except (InputError, RunStopped) as error:
            raise (error if isinstance(error, RunStopped) else GraderFailed(str(error))) from None
        except Exception as error:
            raise GraderFailed(f"{type(error).__name__}: {error}") from error
        finally:
            self.n_waiting -= len(transcripts)
        self.turns.answered(in_line=in_line, seconds=time.monotonic() - began)
        return [row for from_one_grader in rows for row in from_one_grader]

    def close(self) -> None:
        """Let every grader finish what it has."""
        for lane in self.lanes:
            lane.close()


def make_app(
    graders: Sequence[Grader],
    *,
    token: str | None = None,
    hosts: Sequence[str] | None = None,
    max_waiting: int = MAX_WAITING,
    max_batch: int = MAX_BATCH,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """The service as an ASGI application.

    Parameters
    ----------
    graders : sequence of Grader
        All grade every transcript.
    token : str, optional
        What requests must bring as ``Authorization: Bearer``; everything but ``/healthz`` asks for it.
    hosts : sequence of str, optional
        Names that requests may call this host by; keeps other sites' scripts from a service without a token.
    max_waiting, max_batch, max_bytes : int
        Transcripts waiting or in work, transcripts of one request, bytes of one body; of all bodies together, eight
        times as many.

    Raises
    ------
    InputError
        The extra ``serve`` is not installed.
    """
    fastapi = import_extra("fastapi", EXTRA)
    meters = Meters(graders)
    desk = Desk(graders, max_waiting=max_waiting)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(desk.close)

    app = fastapi.FastAPI(
        title="harmrate",
        description="Verdicts on agent transcripts.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        max_body_size=max_bytes,
    )
    _refuse_in_one_line(app)
    guard = [fastapi.Depends(_bearer(token))]
    refusals: dict[int | str, dict[str, Any]] = {
        code: {"model": Refusal, "description": why} for code, why in _REFUSALS.items() if token or code != 401
    }

    async def verdicts(asked: TranscriptIn | BatchIn) -> Any:
        """Grade one transcript, or several."""
        transcripts = await asyncio.to_thread(transcripts_of, asked)
        if len(transcripts) > min(max_batch, max_waiting):
            raise fastapi.HTTPException(413, f"at most {min(max_batch, max_waiting)} transcripts at once")
        rows = await desk.rows(transcripts)
        meters.count(rows)
        return fastapi.responses.JSONResponse({"verdicts": rows})

    async def healthz() -> Health:
        """Who grades here."""
        told = [{"name": g.name, "version": g.version, "kind": g.kind} for g in graders]
        return Health(status="ok", graders=told)

    async def metrics() -> Any:
        """Counts and times, for Prometheus."""
        return fastapi.Response(meters.page(desk.n_waiting), media_type=meters.media_type)

    app.add_api_route(
        PATH, verdicts, methods=["POST"], dependencies=guard, response_model=VerdictsOut, responses=refusals
    )
    app.add_api_route("/healthz", healthz, methods=["GET"])
    told = {200: {"content": {"text/plain": {}}}} | {code: refusals[code] for code in refusals if code == 401}
    app.add_api_route(
        "/metrics", metrics, methods=["GET"], dependencies=guard, response_class=fastapi.Response, responses=told
    )
    # Added before the meters: these see what it refuses.
    app.add_middleware(BodyRoom, max_bytes=MAX_BODIES * max_bytes, refuse=lambda: _busy(desk.turns.next(1)))
    app.add_middleware(meters.middleware, path=PATH)
    if hosts is not None:
        app.add_middleware(
            import_extra("starlette.middleware.trustedhost", EXTRA).TrustedHostMiddleware, allowed_hosts=hosts
        )
    return app


def _busy(seconds: int) -> Exception:
    """For a body that is still being read: FastAPI lets no other kind of exception through there."""
    told: Exception = import_extra("fastapi", EXTRA).HTTPException(
        429, _REFUSALS[429], headers={"Retry-After": str(seconds)}
    )
    return told


def _bearer(token: str | None) -> Any:
    """A dependency that asks for `token`, and tells the OpenAPI document so; one that asks for nothing without it."""
    if token is None:
        return lambda: None
    fastapi = import_extra("fastapi", EXTRA)
    scheme = import_extra("fastapi.security", EXTRA).HTTPBearer(auto_error=False)

    def check(given: Annotated[Any, fastapi.Depends(scheme)]) -> None:
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            raise fastapi.HTTPException(401, _REFUSALS[401], headers={"WWW-Authenticate": "Bearer"})

    return check


def _refuse_in_one_line(app: Any) -> None:
    """Every refusal is ``{"detail": one line}``."""
    fastapi = import_extra("fastapi", EXTRA)

    def refusal(code: int, detail: str, headers: dict[str, str] | None = None) -> Any:
        one_line = " ".join(detail.encode("utf-8", "replace").decode().split())
        return fastapi.responses.JSONResponse({"detail": one_line}, code, headers)

    async def invalid(_: Any, error: Any) -> Any:
        first = error.errors()[0]
        return refusal(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")

    async def bad_input(_: Any, error: Exception) -> Any:
        return refusal(422, str(error))

    async def busy(_: Any, error: Any) -> Any:
        return refusal(429, str(error), {"Retry-After": str(error.seconds)})

    async def failed(_: Any, error: Exception) -> Any:
        return refusal(502, str(error))

    async def stopped(_: Any, error: Exception) -> Any:
        return refusal(503, str(error))

    app.add_exception_handler(import_extra("fastapi.exceptions", EXTRA).RequestValidationError, invalid)
    app.add_exception_handler(InputError, bad_input)
    app.add_exception_handler(Busy, busy)
    app.add_exception_handler(GraderFailed, failed)
    app.add_exception_handler(RunStopped, stopped)
