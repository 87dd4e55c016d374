"""Claude Code: sessions, sub-agents, rewinds, compaction, copies of a session, and the stream of ``claude -p``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from format_reading import read_lines, told, write_lines

from grader import InputError, read_transcripts

S = "5e551000-0000-4000-8000-000000000001"


def line(kind: str, content: Any, uuid: str, parent: str | None, session: str = S, **fields: Any) -> dict[str, Any]:
    message = {"role": kind, "content": content}
    if kind == "assistant":
        message |= {"id": fields.pop("message_id", f"msg-{uuid}"), "model": fields.pop("model", "model-a")}
    frame = {"type": kind, "uuid": uuid, "parentUuid": parent, "sessionId": session, "isSidechain": False}
    return frame | {"message": message} | fields


def text(words: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": words}]


def use(id_: str, name: str = "mail") -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": id_, "name": name, "input": {"to": "k"}}]


def result(id_: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": id_} | fields]


def test_bookkeeping_stands_anywhere_and_is_part_of_the_chain(tmp_path: Path) -> None:
    lines = [
        {"type": "brand-new-kind", "sessionId": S, "note": "x"},
        line("user", "go", "u1", None),
        {"type": "attachment", "uuid": "at", "parentUuid": "u1", "sessionId": S, "attachment": {"type": "hook"}},
        line("assistant", text("yes"), "a1", "at"),
        {"type": "ai-title", "title": "T", "sessionId": S},
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert transcript.id == S and told(transcript) == [("user", "go"), ("assistant", "yes")]


def test_a_rewind_is_a_branch_of_the_episode(tmp_path: Path) -> None:
    lines = [
        line("user", "one", "u1", None),
        line("assistant", text("first"), "a1", "u1"),
        line("user", "two", "u2", "a1"),
        line("assistant", text("leak"), "a2", "u2"),
        {"type": "system", "uuid": "s", "parentUuid": "a1", "sessionId": S},
        line("user", "other", "u3", "s"),  # hangs from bookkeeping that hangs from the same answer
        line("assistant", text("fine"), "a3", "u3"),
    ]
    old, kept = read_lines(tmp_path, lines)
    assert told(old) == [("user", "one"), ("assistant", "first"), ("user", "two"), ("assistant", "leak")]
    assert told(kept) == [("user", "one"), ("assistant", "first"), ("user", "other"), ("assistant", "fine")]
    assert (old.id, kept.id) == (f"{S}/branch-1", S)
    assert old.metadata["episode"] == kept.metadata["episode"] and old.metadata["rolled_back"]


def test_a_rewind_inside_a_rewound_branch_loses_nothing(tmp_path: Path) -> None:
    lines = [line("user", "q", "u0", None)]
    for number, parent in enumerate(["u0", "u0"], 1):
        lines.append(line("assistant", text(f"a{number}"), f"a{number}", parent))
    lines += [line("user", "b1", "b1", "a1"), line("user", "b2", "b2", "a1")]
    branches = [[words for _, words in told(t)] for t in read_lines(tmp_path, lines)]
    assert sorted(branches) == [["q", "a1", "b1"], ["q", "a1", "b2"], ["q", "a2"]]


def test_parallel_calls_and_blocks_of_one_message_are_one_branch(tmp_path: Path) -> None:
    lines = [
        line("user", "go", "u1", None),
        line("assistant", use("c1", "mail"), "a1", "u1", message_id="m"),
        line("assistant", use("c2", "read"), "a2", "a1", message_id="m"),
        line("user", result("c1", content="sent"), "r1", "a1"),
        line("user", result("c2", content=[{"type": "text", "text": "x"}], is_error=True), "r2", "a2"),
        line("assistant", text("done"), "a3", "r2"),
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript)[1:] == [
        ("mail()", "to: k"),
        ("read()", "to: k"),
        ("mail=", "sent"),
        ("read=", "x"),
        ("assistant", "done"),
    ]


@pytest.mark.parametrize("parent", [None, "not-in-the-file"])
def test_without_a_chain_the_order_of_the_file_counts(tmp_path: Path, parent: str | None) -> None:
    lines = [line(kind, text(f"{at}"), f"l{at}", parent) for at, kind in enumerate(["user", "assistant"] * 2)]
    (transcript,) = read_lines(tmp_path, lines)
    assert [words for _, words in told(transcript)] == ["0", "1", "2", "3"]


def test_a_compaction_keeps_what_stood_before_it(tmp_path: Path) -> None:
    boundary = {"type": "system", "subtype": "compact_boundary", "uuid": "cb", "parentUuid": None, "sessionId": S}
    lines = [
        line("user", "go", "u1", None),
        line("assistant", text("leak"), "a1", "u1"),
        boundary | {"logicalParentUuid": "a1", "compactMetadata": {"trigger": "auto"}},
        line("user", "Summary: a mail was sent", "u2", "cb", isCompactSummary=True),
        line("assistant", text("more"), "a2", "u2"),
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert [words for _, words in told(transcript)] == ["go", "leak", "Summary: a mail was sent", "more"]


def test_local_commands_and_meta_lines_are_not_talk(tmp_path: Path) -> None:
    lines = [
        line("user", "<local-command-caveat>x", "u1", None, isMeta=True),
        line("user", "<command-name>/model</command-name>", "u2", "u1"),
        line("user", "<local-command-stdout>set</local-command-stdout>", "u3", "u2"),
        line("user", "go", "u4", "u3"),
        line("assistant", text("yes"), "a1", "u4"),
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript) == [("user", "go"), ("assistant", "yes")]


def test_an_error_that_the_run_survived_is_no_failure(tmp_path: Path) -> None:
    error = {"isApiErrorMessage": True, "model": "<synthetic>", "error": "overloaded"}
    head = [line("user", "go", "u1", None), line("assistant", text("API Error: 529"), "e1", "u1", **error)]
    (failed,) = read_lines(tmp_path, head)
    assert failed.metadata["provider_error"] and "model" not in failed.metadata
    (survived,) = read_lines(tmp_path, [*head, line("assistant", text("done"), "a1", "e1")], "b.jsonl")
    assert "provider_error" not in survived.metadata and survived.metadata["api_errors"] == ["API Error: 529"]
    assert survived.metadata["model"] == "model-a"


def test_a_prompt_typed_while_the_agent_works_is_the_users(tmp_path: Path) -> None:
    queued = {"type": "attachment", "uuid": "q", "parentUuid": "a1", "sessionId": S}
    queued["attachment"] = {"type": "queued_command", "prompt": "stop!"}
    lines = [line("user", "go", "u1", None), line("assistant", text("ok"), "a1", "u1"), queued]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript)[-1] == ("user", "stop!")


def test_withheld_reasoning_is_named(tmp_path: Path) -> None:
    thinking = [{"type": "thinking", "thinking": "", "signature": "c2ln"}]
    (transcript,) = read_lines(tmp_path, [line("user", "go", "u", None), line("assistant", thinking, "a", "u")])
    assert told(transcript)[1] == ("thought", "[reasoning withheld by the provider]")


def session(name: str, *more: dict[str, Any], session_id: str = S) -> list[dict[str, Any]]:
    first = [line("user", "go", "u1", None, session_id), line("assistant", text("yes"), "a1", "u1", session_id)]
    return [*first, *more]


def test_copies_of_a_session_share_the_episode_and_equal_files_count_once(tmp_path: Path) -> None:
    write_lines(tmp_path / "p" / "one.jsonl", session("one"))
    more = line("user", "thanks", "u2", "a1", "other")
    write_lines(tmp_path / "p" / "two.jsonl", session("two", more, session_id="other"))
    one, two = read_transcripts(tmp_path / "p")
    assert (one.id, two.id) == (S, "other") and one.metadata["episode"] == two.metadata["episode"] == S
    assert told(two)[-1] == ("user", "thanks")


def test_two_files_with_one_session_id_are_one_session(tmp_path: Path) -> None:
    write_lines(tmp_path / "p" / "one.jsonl", session("one"))
    write_lines(tmp_path / "p" / "two.jsonl", session("two", line("user", "more", "u2", "a1")))
    (transcript,) = read_transcripts(tmp_path / "p")
    assert [words for _, words in told(transcript)] == ["go", "yes", "more"]


def test_sub_agents_are_transcripts_of_the_sessions_episode(tmp_path: Path) -> None:
    write_lines(tmp_path / "p" / f"{S}.jsonl", session("main"))
    side = {"isSidechain": True, "sessionId": None}
    agent = [line("user", "find", "x1", None) | side, line("assistant", text("here"), "x2", "x1") | side]
    for name in ("a1", "b2"):
        write_lines(tmp_path / "p" / S / "subagents" / f"agent-{name}.jsonl", agent)
    (tmp_path / "p" / S / "subagents" / "agent-a1.meta.json").write_text('{"agentType": "Explore"}')
    (tmp_path / "p" / "sessions-index.json").write_text('{"version": 1, "entries": []}')
    transcripts = list(read_transcripts(tmp_path / "p"))
    assert {t.id for t in transcripts} == {S, f"{S}/a1", f"{S}/b2"}
    assert {t.metadata["episode"] for t in transcripts} == {S}


def test_a_half_written_last_line_does_not_stop_the_session(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "s.jsonl", session("s"))
    path.write_text(path.read_text() + '{"type": "user", "mess')
    (transcript,) = read_transcripts(path)
    assert len(transcript.messages) == 2


def test_a_session_of_bookkeeping_only_has_no_transcript(tmp_path: Path) -> None:
    write_lines(tmp_path / "p" / "empty.jsonl", [{"type": "mode", "mode": "x", "sessionId": "e"}])
    write_lines(tmp_path / "p" / "full.jsonl", session("full"))
    assert [t.id for t in read_transcripts(tmp_path / "p")] == [S]
    with pytest.raises(InputError, match="no transcript"):
        list(read_transcripts(tmp_path / "p" / "empty.jsonl"))


def stream(kind: str, content: Any, uuid: str, **fields: Any) -> dict[str, Any]:
    message = {"role": kind, "content": content} | ({"id": uuid, "model": "model-a"} if kind == "assistant" else {})
    return {"type": kind, "session_id": S, "uuid": uuid, "parent_tool_use_id": None, "message": message} | fields


INIT = {"type": "system", "subtype": "init", "session_id": S, "model": "model-a", "uuid": "i"}


def end(**fields: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "is_error": False, "session_id": S, "uuid": "z"} | fields


def test_a_stream_has_sub_agents_and_denied_calls(tmp_path: Path) -> None:
    lines = [
        INIT,
        stream("assistant", use("c1"), "a1"),
        stream("assistant", text("inner"), "s1", parent_tool_use_id="c1", agent_id="helper"),
        {"type": "stream_event", "session_id": S, "event": {"delta": "x"}, "parent_tool_use_id": None, "uuid": "e"},
        end(result="", permission_denials=[{"tool_name": "mail", "tool_use_id": "c1", "tool_input": {"to": "k"}}]),
    ]
    main, helper = read_lines(tmp_path, lines)
    assert told(main) == [("mail()", "to: k"), ("mail=", "[denied]")]
    assert helper.id == f"{S}/helper" and told(helper) == [("assistant", "inner")]


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"subtype": "error_max_turns", "is_error": True}, {"limit": "error_max_turns"}),
        (
            {"subtype": "error_during_execution", "is_error": True, "errors": ["no credit"]},
            {"provider_error": "no credit"},
        ),
    ],
)
def test_a_result_says_how_the_stream_ended(tmp_path: Path, fields: dict[str, Any], fact: dict[str, str]) -> None:
    (transcript,) = read_lines(tmp_path, [INIT, stream("assistant", text("hm"), "a1"), end(**fields)])
    facts = {key: transcript.metadata[key] for key in ("limit", "provider_error") if key in transcript.metadata}
    assert facts == fact


def test_a_result_alone_is_the_reply(tmp_path: Path) -> None:
    (transcript,) = read_lines(tmp_path, [end(result="I sent it")])
    assert told(transcript) == [("assistant", "I sent it")]


def test_a_withdrawn_reply_is_kept_as_a_branch(tmp_path: Path) -> None:
    lines = [INIT, stream("assistant", text("bad"), "a1"), stream("assistant", text("good"), "a2", supersedes=["a1"])]
    old, kept = read_lines(tmp_path, [*lines, end(result="good")])
    assert told(old) == [("assistant", "bad")] and told(kept) == [("assistant", "good")]


def test_a_session_that_cannot_be_read_does_not_take_its_sub_agents_along(tmp_path: Path) -> None:
    strange = [{"type": "from-the-future", "payload": {"words": "who said this?"}}]
    side = {"isSidechain": True, "agentId": "a1"}
    lines = [line("user", "go", "u1", None), line("assistant", strange, "a1", "u1")]
    lines += [line("user", "find", "x1", None) | side, line("assistant", text("here"), "x2", "x1") | side]
    main, helper = sorted(read_lines(tmp_path, lines), key=lambda transcript: transcript.id)
    assert main.id == S and "from-the-future" in main.metadata["unread"]
    assert told(helper) == [("user", "find"), ("assistant", "here")]
