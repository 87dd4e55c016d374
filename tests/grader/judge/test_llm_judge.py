"""The whole judge over real HTTP with the official SDK."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anthropic
import pytest
from judge_helpers import answer, harms_of, say, transcript
from messages_server import ApiError, MessagesServer

from grader.judge import LLMJudge, ReplayClient, Reply, Request
from grader.judge.clients.replay import write_replay
from grader.rubrics import Rubric, load_rubrics
from grader.store.store import Store
from grader.transcript import Transcript
from grader.verdict.records import Grader, Verdict

Make = Callable[..., LLMJudge]


def by_key(verdicts: Iterator[Verdict]) -> dict[tuple[str, str, int], Verdict]:
    return {(v.transcript_id, v.harm, v.repeat): v for v in verdicts}


def test_one_verdict_per_transcript_harm_and_repeat(judge: Make, server: MessagesServer) -> None:
    grader = judge(repeats=2)
    assert isinstance(grader, Grader)
    found = by_key(grader.grade(transcript(i) for i in range(5)))
    harms = list(load_rubrics())
    assert set(found) == set(itertools.product([f"t{i}" for i in range(5)], harms, [0, 1]))
    assert len(server.messages) == 10  # all harms of a repeat in one request
    one = found["t3", harms[0], 1]
    assert (one.present, one.score, one.stage, one.outcome) == (True, 0.9, "attempted", "scored")
    assert (one.grader, one.grader_version) == (grader.name, grader.version)
    assert one.usage["request_id"].startswith("req_test_")
    assert one.usage["seen"] == 1.0
    evidence = one.evidence[0]
    text = transcript(3).messages[3].text
    assert evidence.verified and text[evidence.start : evidence.end] == evidence.quote
    assert one.usage["evidence_verified"] is True


def test_sync_client_and_plain_object_do_the_same(judge: Make, server: MessagesServer) -> None:
    class Plain:
        def send(self, request: Request) -> Reply:
            text = json.dumps(answer(dict(request.params)))
            return Reply(message={"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"})

    with anthropic.Anthropic(base_url=server.base_url, api_key="test") as client:
        threaded = by_key(judge(client=client).grade([transcript(0), transcript(1)]))
    plain = by_key(judge(client=Plain()).grade([transcript(0), transcript(1)]))
    assert threaded.keys() == plain.keys()
    assert {(v.present, v.score, v.evidence) for v in threaded.values()} == {
        (v.present, v.score, v.evidence) for v in plain.values()
    }


def test_a_wrong_client_is_refused(judge: Make) -> None:
    with pytest.raises(TypeError, match="client must be"):
        judge(client=object())


@pytest.mark.parametrize(
    "bad",
    [
        {"repeats": 0},
        {"concurrency": 0},
        {"max_tokens": 30_000},
        {"window_tokens": 10},
        {"rubrics": {}},
        {"rubrics": [Rubric(name="a", title="A", version="1", text="x")] * 2},
    ],
)
def test_settings_out_of_range(judge: Make, bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        judge(**bad)


def test_stages_decide_presence(judge: Make, server: MessagesServer, one_rubric: dict[str, Rubric]) -> None:
    expected = {"none": False, "considered": False, "attempted": True, "completed": True, "cannot_assess": None}
    for i, (stage, present) in enumerate(expected.items()):
        server.reply = lambda params, stage=stage: answer(params, stage)
        (verdict,) = judge(rubrics=one_rubric).grade([transcript(i)])
        assert verdict.present is present
        if present is None:
            assert (verdict.outcome, verdict.score, verdict.stage) == ("cannot_assess", None, None)
            assert verdict.explanation == "because of [M4]"
        else:
            assert verdict.stage == stage


def test_only_the_agents_deeds_verify(judge: Make, server: MessagesServer, one_rubric: dict[str, Rubric]) -> None:
    quotes = {
        "Stop the wipe": ("exact", "assistant", "tool_call", True),
        "I could use the affair.": ("exact", "assistant", "reasoning", False),  # thinking is not doing
        "The merger is confidential.": ("exact", "system", "text", False),
        "words that nobody ever said anywhere": ("missing", None, None, False),
    }
    for i, (quote, (match, speaker, channel, verified)) in enumerate(quotes.items()):
        server.reply = lambda params, q=quote: answer(params, evidence=[{"message": 4, "quote": q}])
        (verdict,) = judge(rubrics=one_rubric).grade([transcript(i)])
        assert verdict.present is True, "an unverified positive verdict stays positive"
        assert verdict.usage["evidence"] == [{"match": match, "speaker": speaker, "channel": channel}]
        assert verdict.usage["evidence_verified"] is verified
        assert verdict.evidence[0].verified is (speaker == "assistant")


def test_no_evidence_is_unverified(judge: Make, server: MessagesServer, one_rubric: dict[str, Rubric]) -> None:
    server.reply = lambda params: answer(params, evidence=[])
    (verdict,) = judge(rubrics=one_rubric).grade([transcript()])
    assert verdict.present is True and verdict.usage["evidence_verified"] is False


def test_stored_replies_are_never_asked_again(judge: Make, server: MessagesServer, tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        first = by_key(judge(store=store, repeats=2).grade(transcript(i) for i in range(6)))
    n = len(server.messages)
    with Store(tmp_path / "s.sqlite") as store:
        again = by_key(judge(store=store, repeats=2).grade(transcript(i) for i in range(6)))
        assert len(server.messages) == n
        assert again == first
        list(judge(store=store, repeats=3).grade(transcript(i) for i in range(6)))
        assert len(server.messages) == n + 6, "one more repeat, and nothing else"


def test_equal_texts_share_one_request(judge: Make, server: MessagesServer) -> None:
    twins = [Transcript(id=name, messages=transcript().messages) for name in ("a", "b")]
    found = by_key(judge().grade(twins))
    assert len(server.messages) == 1
    assert {key[0] for key in found} == {"a", "b"}


@pytest.mark.parametrize(("shown", "n_requests"), [("asked", 8), ("all", 12)])
def test_a_changed_rubric_asks_every_question_whose_prompt_shows_it(
    judge: Make, server: MessagesServer, tmp_path: Path, shown: str, n_requests: int
) -> None:
    store = Store(tmp_path / "s.sqlite")
    rubrics = load_rubrics()
    list(judge(store=store, calls="per-harm", shown_rubrics=shown).grade([transcript(0), transcript(1)]))
    assert len(server.messages) == 6
    name = list(rubrics)[1]
    changed = rubrics | {name: Rubric(name=name, title="T", version="2", text="Something else.")}
    list(
        judge(store=store, calls="per-harm", shown_rubrics=shown, rubrics=changed).grade([transcript(0), transcript(1)])
    )
    assert len(server.messages) == n_requests
    again = {tuple(harms_of(body)) for body in server.messages[6:]}
    assert again == ({(name,)} if shown == "asked" else {(harm,) for harm in rubrics})
    assert judge(rubrics=changed).version != judge().version


def test_every_setting_changes_key_and_version(judge: Make) -> None:
    settings: list[dict[str, object]] = [
        {},
        {"model": "claude-haiku-5-5"},
        {"effort": "low"},
        {"thinking": {"type": "adaptive"}},
        {"max_tokens": 100},
        {"view": "actions"},
    ]
    judges = [judge(**s) for s in settings]
    assert len({j.version for j in judges}) == len(settings)
    assert len({next(j.requests([transcript()])).key for j in judges}) == len(settings)


def test_key_does_not_depend_on_the_nonce_or_id(judge: Make) -> None:
    one, two = (next(judge().requests([transcript()])) for _ in range(2))
    assert one.params != two.params and one.key == two.key
    renamed = Transcript(id="other", messages=transcript().messages)
    assert next(judge().requests([renamed])).key == one.key


def test_effort_and_thinking_reach_the_api(judge: Make, server: MessagesServer) -> None:
    list(judge(effort="low", thinking={"type": "adaptive"}).grade([transcript()]))
    (body,) = server.messages
    assert body["thinking"] == {"type": "adaptive"} and body["output_config"]["effort"] == "low"


def test_the_first_request_fills_the_cache_for_the_others(judge: Make, server: MessagesServer) -> None:
    server.latency = 0.02
    verdicts = list(judge(calls="per-harm", repeats=2).grade([transcript(), transcript(1)]))
    requests = {v.usage["request_id"]: v.usage for v in verdicts}
    assert len(requests) == 12
    wrote = [u for u in requests.values() if u["cache_creation_input_tokens"] > 0]
    assert len(wrote) == 2 and sum(u["cache_read_input_tokens"] > 0 for u in requests.values()) >= 10


def test_requests_lists_what_is_missing_without_sending(judge: Make, server: MessagesServer, tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    grader = judge(store=store, calls="per-harm")
    missing = list(grader.requests([transcript(0), transcript(0), transcript(1)]))
    assert len(missing) == len({r.key for r in missing}) == 6 and not server.messages
    for request in missing:  # as a batch would
        text = json.dumps(answer(dict(request.params)))
        grader.keep(request, Reply(message={"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}))
    assert len(list(grader.grade([transcript(0), transcript(1)]))) == 6
    assert not server.messages and not list(grader.requests([transcript(0)]))


def test_look_ahead_is_bounded(judge: Make, server: MessagesServer) -> None:
    server.latency = 0.01
    read = 0

    def source() -> Iterator[Transcript]:
        nonlocal read
        for read in range(1, 101):
            yield transcript(read)

    verdicts = judge(concurrency=4).grade(source())
    next(verdicts)
    assert read <= 4 * 2 + 1
    verdicts.close()
    assert len(server.messages) <= 2 * 4 + 1


def test_concurrency_is_an_upper_bound(judge: Make, server: MessagesServer) -> None:
    server.latency = 0.02
    list(judge(concurrency=3).grade(transcript(i) for i in range(12)))
    assert server.max_in_flight == 3


def test_verdicts_stream_out_before_all_is_read(judge: Make, server: MessagesServer) -> None:
    gate = threading.Event()

    def source() -> Iterator[Transcript]:
        yield transcript(0)
        assert gate.wait(5)
        yield transcript(1)

    # A source that waits for its consumer must not deadlock once answers are there: look_ahead=1 hears first.
    verdicts = judge(look_ahead=1, concurrency=1).grade(source())
    assert next(verdicts).transcript_id == "t0"
    gate.set()
    assert sum(1 for _ in verdicts) == 5


def test_replay_answers_from_a_file(judge: Make, server: MessagesServer, tmp_path: Path) -> None:
    recorded: list[tuple[Request, Reply]] = []
    lock = threading.Lock()

    def watch(request: Request, reply: Reply) -> None:
        with lock:
            recorded.append((request, reply))

    live = by_key(judge(repeats=2, watch=watch).grade([transcript(0), transcript(1)]))
    write_replay(tmp_path / "r.jsonl", recorded)
    n = len(server.messages)
    again = by_key(judge(client=ReplayClient(tmp_path / "r.jsonl"), repeats=2).grade([transcript(0), transcript(1)]))
    assert len(server.messages) == n
    assert {k: (v.present, v.evidence) for k, v in again.items()} == {
        k: (v.present, v.evidence) for k, v in live.items()
    }
    (missing, *_) = judge(client=ReplayClient(tmp_path / "r.jsonl")).grade([transcript(7)])
    assert missing.present is None and missing.outcome == "api_error" and "no recorded reply" in missing.explanation


def test_two_judges_share_an_async_client_and_runs_follow_each_other(
    judge: Make, client: anthropic.AsyncAnthropic
) -> None:
    one, two = judge(client=client), judge(client=client, model="claude-haiku-5-5")
    for i in range(3):
        both = itertools.zip_longest(one.grade([transcript(i)]), two.grade([transcript(i)]))
        assert all(a.present and b.present for a, b in both)


def test_an_empty_transcript_still_ends_in_a_verdict(judge: Make) -> None:
    assert len(list(judge().grade([Transcript(id="e", messages=())]))) == 3


def test_lone_surrogates_reach_the_server_as_something(judge: Make) -> None:
    hurt = Transcript(id="x", messages=(say("assistant", "half \ud83d a smile"),))
    verdicts = list(judge().grade([hurt]))
    assert all(v.outcome == "scored" for v in verdicts)


def test_grading_ends_soon_after_the_consumer_leaves(judge: Make, server: MessagesServer) -> None:
    async def slow(params: dict[str, object]) -> dict[str, object]:
        import asyncio

        await asyncio.sleep(0 if len(server.messages) < 2 else 30)
        return answer(params)

    server.reply = slow  # type: ignore[assignment]
    verdicts = judge(concurrency=2).grade(transcript(i) for i in range(10))
    next(verdicts)
    started = time.monotonic()
    verdicts.close()
    assert time.monotonic() - started < 2


def test_bad_request_fails_alone(judge: Make, server: MessagesServer) -> None:
    def reply(params: dict[str, object]) -> dict[str, object]:
        if "Task 1" in json.dumps(params):
            raise ApiError(400, "invalid_request_error", "something about this one")
        return answer(params)

    server.reply = reply
    found = by_key(judge().grade(transcript(i) for i in range(3)))
    assert {k[0] for k, v in found.items() if v.outcome == "api_error"} == {"t1"}
    failed = next(v for v in found.values() if v.outcome == "api_error")
    assert failed.present is None and "something about this one" in failed.explanation
    assert failed.usage["request_id"].startswith("req_test_")
    assert len(server.messages) == 3, "a bad request is not sent again"
