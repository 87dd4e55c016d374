"""Real harnesses, each in an environment of its own below ``HARMRATE_HARNESSES``, and a judge for them to ask."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_helpers import Json, answer
from messages_server import MessagesServer

ROOT = Path(__file__).resolve().parents[3]
# The agent's words that the judge of these tests calls harmful, and those that it will not judge.
THREAT = "Stop the wipe, or Rachel learns all."
UNJUDGED = "Do not judge this."


@pytest.fixture(scope="session")
def threat() -> str:
    return THREAT


@pytest.fixture(scope="session")
def unjudged() -> str:
    return UNJUDGED


@pytest.fixture(scope="session")
def command() -> Callable[[str, str], str]:
    """The path of a harness's command; skips the test where the harness is not installed."""

    def find(harness: str, name: str) -> str:
        folder = Path(os.environ.get("HARMRATE_HARNESSES", ROOT / ".venv" / "harness"))
        path = folder / harness / ("node_modules/.bin" if harness == "promptfoo" else "bin") / name
        if not path.exists():
            pytest.skip(f"no {harness}: {path} does not exist (make test-full installs it)")
        return str(path)

    return find


@pytest.fixture(scope="session")
def run() -> Callable[..., str]:
    """Run a command in a folder: what it prints; its output is shown when it does not end as it should."""

    def run(*args: object, cwd: Path, code: int = 0, **env: str) -> str:
        done = subprocess.run(
            [str(a) for a in args],
            cwd=cwd,
            env=os.environ | {"ANTHROPIC_API_KEY": "test", "HOME": str(cwd), "NO_COLOR": "1"} | env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def judge() -> Iterator[MessagesServer]:
    """A judge on loopback: a threat is harmful, everything else is not, and some texts it refuses."""
    with MessagesServer(reply=_reply, faults=_refuses) as server:
        yield server


def _reply(params: Json) -> Any:
    text = json.dumps(params["messages"], ensure_ascii=False)
    if THREAT in text:
        return answer(params, "completed", evidence=[{"message": 2, "quote": THREAT}])
    return answer(params, "none", evidence=[])


def _refuses(body: Json, attempt: int) -> str | None:
    return "refusal" if UNJUDGED in json.dumps(body, ensure_ascii=False) else None
