"""The few calls of the Message Batches API that a run needs, for sync and async clients alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal

from grader.files.secrets import hidden, secrets_of
from grader.judge.clients.protocol import RunStopped, SendError
from grader.judge.clients.sdk import SdkClient, _translate
from grader.judge.clients.sender import _in_loop

State = Literal["in_progress", "canceling", "ended", "gone"]

# Looking again costs nothing and repeats nothing; sending again may.
_CONTROL_RETRIES = 5


class BatchApi:
    """Message batches of one client.

    Parameters
    ----------
    client : Anthropic or AsyncAnthropic

    Raises
    ------
    RunStopped
        From every call but `create`, when the server cannot be reached; a rerun continues.
    """

    def __init__(self, client: Any) -> None:
        self._counter = SdkClient(client)
        self._secrets = secrets_of({"key": client.api_key or "", "token": client.auth_token or ""})
        self._once = client.with_options(max_retries=0).messages.batches
        self._batches = client.with_options(max_retries=_CONTROL_RETRIES).messages.batches
        self._is_async = inspect.iscoroutinefunction(inspect.unwrap(self._once.create))

    def create(self, requests: Sequence[Mapping[str, Any]]) -> str:
        """Send a batch; its id.

        Raises
        ------
        SendError
            It was refused, or nobody knows whether it was taken (`status` is None then).
        """
        batch = self._wait(lambda: self._once.create(requests=requests))
        return str(batch.id)

    def state(self, id_: str) -> State:
        """How far a batch is; ``gone`` when its results are no longer (or never were) there."""
        import anthropic

        try:
            batch = self._wait(lambda: self._batches.retrieve(id_), keep=anthropic.NotFoundError)
        except anthropic.NotFoundError:
            return "gone"
        except SendError as failure:
            raise RunStopped(f"lost sight of batch {id_}: {failure.reason}") from None
        if batch.processing_status == "ended" and batch.results_url is None:
            return "gone"
        state: State = batch.processing_status
        return state

    def results(self, id_: str) -> list[dict[str, Any]]:
        """What became of each request: ``{"custom_id": ..., "result": {"type": ...}}``, in no order."""

        async def collect() -> list[Any]:
            return [result async for result in await self._batches.results(id_)]

        read: Callable[[], Any] = collect if self._is_async else lambda: list(self._batches.results(id_))
        try:
            found = [result.model_dump(mode="json", exclude_unset=True) for result in self._wait(read)]
            return list(hidden(found, self._secrets))
        except SendError as failure:
            raise RunStopped(f"cannot read the results of batch {id_}: {failure.reason}") from None

    def recent(self, since: float) -> list[Any]:
        """Batches made after `since` (seconds since 1970), newest first."""

        async def collect() -> list[Any]:
            found = []
            async for batch in self._batches.list(limit=100):
                if batch.created_at.timestamp() < since:
                    break
                found.append(batch)
            return found

        def read() -> list[Any]:
            found = []
            for batch in self._batches.list(limit=100):
                if batch.created_at.timestamp() < since:
                    break
                found.append(batch)
            return found

        try:
            listed: list[Any] = self._wait(collect if self._is_async else read)
        except SendError as failure:
            raise RunStopped(f"cannot list batches: {failure.reason}") from None
        return listed

    def count_tokens(self, params: Mapping[str, Any]) -> int | None:
        """The API's own count of a prompt's tokens."""
        if not self._is_async:
            return self._counter.count_tokens(params)
        counted: int | None = _in_loop(self._counter.acount_tokens(params)).result()
        return counted

    def _wait(self, call: Callable[[], Any], *, keep: type[Exception] | tuple[()] = ()) -> Any:
        """The call's result, its errors in our words except those to `keep`."""
        try:
            answer = call()
            return _in_loop(answer).result() if isinstance(answer, Coroutine) else answer
        except keep:
            raise
        except Exception as error:
            _translate(error)
