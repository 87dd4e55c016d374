"""SmolLM2 behind a Messages endpoint: a real language model for plumbing tests, its verdicts at chance.

``python tests/smollm_endpoint.py --port 8808`` serves it until interrupted; `smollm_endpoint` is the same for a test.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if __name__ == "__main__":  # run as a script, the folder of this file comes first, and it has a `grader` too
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from messages_faults import ApiError, FaultPlan, Json
from messages_server import MessagesServer

from grader.judge.clients.local import LocalModel
from grader.judge.clients.protocol import SendError

MODEL = "smollm2"


@contextmanager
def smollm_endpoint(
    *, port: int = 0, context: int = 8192, slots: int = 2, faults: FaultPlan | None = None
) -> Iterator[MessagesServer]:
    """Serve the packaged SmolLM2 as model ``smollm2``.

    Structured output is really constrained, token counts and prompt-cache hits are llama.cpp's own; rules, errors,
    faults and batches are those of `MessagesServer`.
    """
    model = LocalModel(MODEL, context=context, slots=slots)

    async def reply(params: Json) -> Json:
        try:
            return await asyncio.to_thread(model.create, params)
        except SendError as error:
            raise ApiError(error.status or 500, "invalid_request_error", error.reason) from None

    with MessagesServer(
        reply, faults=faults, models=(MODEL,), context_window=context, count_tokens=model.count_tokens, port=port
    ) as server:
        yield server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--context", type=int, default=8192, help="tokens per request, answer included")
    options = parser.parse_args()
    with smollm_endpoint(port=options.port, context=options.context) as server:
        sys.stdout.write(f"{server.base_url} serves model {MODEL}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
