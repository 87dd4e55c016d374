"""Codex: rollouts with forks, segments, rollbacks, compaction and failures; the events of ``codex exec``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from format_reading import read_lines, told, write_lines

from grader import read_transcripts

THREAD, PARENT = "019f0000-0000-7000-8000-000000000001", "019e0000-0000-7000-8000-000000000001"


def row(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": "2026-01-01T00:00:00Z", "type": kind, "payload": payload}


def meta(id_: str = THREAD, **fields: Any) -> dict[str, Any]:
    return row("session_meta", id=id_, base_instructions={"text": "Be good"}, cwd="/w", **fields)


def say(role: str, words: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return row("response_item", type="message", role=role, content=[{"type": kind, "text": words}])


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return row("event_msg", type=kind, **fields)


def test_every_kind_of_call_is_a_call(tmp_path: Path) -> None:
    lines = [
        meta(),
        row("turn_context", model="model-a"),
        say("developer", "rules"),
        say("user", "go"),
        row("response_item", type="reasoning", summary=[], content=None, encrypted_content="gAAA"),
        row("response_item", type="local_shell_call", call_id="k1", status="completed", action={"command": ["ls"]}),
        row("response_item", type="function_call_output", call_id="k1", output={"content": "no", "success": False}),
        row("response_item", type="custom_tool_call", call_id="k2", name="apply_patch", input="*** Begin"),
        row("response_item", type="custom_tool_call_output", call_id="k2", output="ok"),
        row("response_item", type="function_call", call_id="k3", name="view", arguments='{"path": "a.p'),
        row(
            "response_item",
            type="function_call_output",
            call_id="k3",
            output=[
                {"type": "input_text", "text": "seen"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
            ],
        ),
        row("response_item", type="web_search_call", status="completed", action={"type": "search", "query": "q"}),
        row("response_item", type="ghost_snapshot", ghost_commit={"id": "x"}),
        row("world_state", text="nothing said"),
        row(
            "response_item",
            type="message",
            role="assistant",
            phase="final_answer",
            content=[{"type": "output_text", "text": "Done"}],
        ),
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript) == [
        ("system", "Be good"),
        ("system", "rules"),
        ("user", "go"),
        ("thought", "[reasoning withheld by the provider]"),
        ("local_shell()", 'command: ["ls"]'),
        ("local_shell=", "no"),
        ("apply_patch()", "*** Begin"),
        ("apply_patch=", "ok"),
        ("view()", '{"path": "a.p'),
        ("view=", "seen\n[image] (image/png, 3 bytes)"),
        ("web_search()", "type: search\nquery: q"),
        ("assistant", "Done"),
    ]
    assert transcript.metadata["model"] == "model-a"


def test_events_repeat_the_items_and_add_only_what_no_item_says(tmp_path: Path) -> None:
    lines = [meta(), say("user", "go"), event("user_message", message="go"), event("agent_message", message="early")]
    lines += [say("assistant", "late"), event("agent_message", message="late")]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript)[1:] == [("user", "go"), ("assistant", "early"), ("assistant", "late")]


def test_a_fork_has_its_own_id_and_its_parents_episode(tmp_path: Path) -> None:
    write_lines(tmp_path / "s" / "parent.jsonl", [meta(PARENT), say("user", "a"), say("assistant", "b")])
    fork = [meta(forked_from_id=PARENT), meta(PARENT), say("user", "a"), say("assistant", "b"), say("user", "c")]
    write_lines(tmp_path / "s" / "zfork.jsonl", [*fork, say("assistant", "d")])
    parent, child = read_transcripts(tmp_path / "s")
    assert (parent.id, child.id) == (PARENT, THREAD)
    assert parent.metadata["episode"] == child.metadata["episode"] == PARENT


def test_a_spawned_agent_belongs_to_the_episode_of_the_one_that_spawned_it(tmp_path: Path) -> None:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": PARENT}}}
    (transcript,) = read_lines(tmp_path, [meta(source=source), say("user", "a"), say("assistant", "b")])
    assert transcript.metadata["episode"] == PARENT


def test_segments_of_a_thread_are_one_transcript(tmp_path: Path) -> None:
    name = tmp_path / "s" / f"rollout-2026-01-01T00-00-00-{THREAD}.jsonl"
    write_lines(name, [meta(), say("user", "a"), say("assistant", "b")])
    write_lines(name.with_name(f"rollout-2026-01-01T02-00-00-{THREAD}_seg2.jsonl"), [meta(), say("assistant", "c")])
    (transcript,) = read_transcripts(tmp_path / "s")
    assert [words for _, words in told(transcript)] == ["Be good", "a", "b", "c"]


def test_a_rollback_keeps_what_was_undone_as_a_branch(tmp_path: Path) -> None:
    lines = [meta(), say("user", "<environment_context>/w</environment_context>"), say("user", "one")]
    lines += [say("assistant", "leak"), event("thread_rolled_back", num_turns=1), say("user", "two")]
    undone, kept = read_lines(tmp_path, [*lines, say("assistant", "fine")])
    assert [words for _, words in told(undone)][2:] == ["one", "leak"] and undone.metadata["rolled_back"]
    assert [words for _, words in told(kept)][2:] == ["two", "fine"] and kept.id == THREAD
    assert undone.metadata["episode"] == kept.metadata["episode"]


def test_a_compaction_adds_its_summary_and_repeats_nothing(tmp_path: Path) -> None:
    again = [{"type": "message", "role": "user", "content": "a"}]
    lines = [
        meta(),
        say("user", "a"),
        say("assistant", "b"),
        row("compacted", message="Summary", replacement_history=again),
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript)[1:] == [("user", "a"), ("assistant", "b"), ("user", "Summary")]


def test_runs_without_an_answer_are_failures(tmp_path: Path) -> None:
    head = [meta(), say("user", "a")]
    ends = [event("task_complete", last_agent_message=None)], [event("turn_aborted", reason="interrupted")], []
    for number, end in enumerate(ends):
        (transcript,) = read_lines(tmp_path, [*head, *end], f"{number}.jsonl")
        assert transcript.metadata["provider_error"]
    (healed,) = read_lines(tmp_path, [*head, event("error", message="usage limit"), say("assistant", "b")], "h.jsonl")
    assert "provider_error" not in healed.metadata
    (cut,) = read_lines(
        tmp_path, [*head, say("assistant", "b"), event("turn_aborted", reason="interrupted")], "c.jsonl"
    )
    assert cut.metadata["limit"] and "provider_error" not in cut.metadata


def item(kind: str, moment: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": f"item.{moment}", "item": {"type": kind, "id": fields.pop("id", kind)} | fields}


def test_exec_items_are_read_once_and_an_unfinished_call_has_no_result(tmp_path: Path) -> None:
    lines = [
        {"type": "thread.started", "thread_id": "t1"},
        {"type": "turn.started"},
        item("command_execution", "started", command="ls", status="in_progress", aggregated_output="", exit_code=None),
        item("command_execution", command="ls", aggregated_output="a", exit_code=1, status="failed"),
        item("file_change", changes=[{"path": "a.py", "kind": "add"}], status="completed"),
        item(
            "mcp_tool_call",
            server="mail",
            tool="send",
            arguments={"to": "k"},
            error={"message": "denied"},
            status="failed",
        ),
        item("web_search", query="q"),
        item("command_execution", "started", id="c9", command="rm -r /", status="in_progress", aggregated_output=""),
        {"type": "turn.failed", "error": {"message": "usage limit"}},
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript) == [
        ("shell()", "command: ls"),
        ("shell=", "a\n[exit code 1]"),
        ("file_change()", 'changes: [{"path": "a.py", "kind": "add"}]'),
        ("send()", "to: k"),
        ("send=", "denied"),
        ("web_search()", "query: q"),
        ("shell()", "command: rm -r /"),
    ]
    assert transcript.id == "t1" and transcript.metadata["provider_error"] == "usage limit"
