"""A judge from plain settings, and what becomes of the connections that it opened."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest
from judge_helpers import transcript
from messages_server import MessagesServer

from grader.judge.setup import JudgeSetup, open_judge
from grader.rubrics import Rubric
from grader.store.store import Store


@pytest.mark.parametrize("settings", [{}, {"max_cost": 5.0}, {"transport": "batch"}])
def test_a_judge_closes_the_client_that_was_made_for_it(
    server: MessagesServer,
    one_rubric: dict[str, Rubric],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
) -> None:
    store = Store(tmp_path / "s.sqlite")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    judge = open_judge(JudgeSetup(base_url=server.base_url, **settings), one_rubric, store=store)  # type: ignore[arg-type]
    copy = judge.with_store(store)
    client = getattr(judge.client, "client", judge.client)._client
    del judge
    gc.collect()
    assert not client.is_closed(), "a copy of the judge still needs it"
    if "transport" not in settings:
        (verdict,) = copy.grade([transcript()])
        assert verdict.outcome == "scored"
        del verdict
    del copy
    gc.collect()
    deadline = time.monotonic() + 5
    while not client.is_closed() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.is_closed()
    store.close()
