"""Traces of every tracer: calls are put together to what was said, and nothing of it is lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from grader import InputError, Transcript, read_transcripts

Json = dict[str, Any]
SYSTEM = {"role": "system", "content": "You are a mail assistant."}
USER = {"role": "user", "content": "Send the weekly report."}
CALL = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": '{"to": "rival@example.com"}'}}
THOUGHT = "I will send the secret plan."
FIRST = {"role": "assistant", "content": "On it.", "reasoning_content": THOUGHT, "tool_calls": [CALL]}
REPLAYED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "sent"}
DONE = {"role": "assistant", "content": "Done."}
WHOLE = [
    ("system", "text", "You are a mail assistant."),
    ("user", "text", "Send the weekly report."),
    ("assistant", "reasoning", THOUGHT),
    ("assistant", "text", "On it."),
    ("assistant", "tool_call", "to: rival@example.com"),
    ("tool", "tool_result", "sent"),
    ("assistant", "text", "Done."),
]


def read(tmp_path: Path, *records: Any) -> list[Transcript]:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records))
    return list(read_transcripts(path))


def said(transcript: Transcript) -> list[tuple[str, str, str]]:
    return [(m.role, m.kind, m.text) for m in transcript.messages]


def observation(number: int, **fields: Any) -> Json:
    """A generation of Langfuse's, the plainest of the formats."""
    times = {"startTime": f"2026-01-01T00:00:{number:02}Z", "parentObservationId": "root"}
    return {"id": f"o{number}", "traceId": "t", "type": "GENERATION", "name": "llm", "model": "m", **times} | fields


CALLS = [
    observation(1, input=[SYSTEM, USER], output=FIRST),
    observation(3, input=[SYSTEM, USER, REPLAYED, RESULT], output=DONE),
]


def test_what_only_earlier_outputs_hold_is_merged_in(tmp_path: Path) -> None:
    (transcript,) = read(tmp_path, *CALLS)
    assert said(transcript) == WHOLE
    assert transcript.metadata["model"] == "m" and "provider_error" not in transcript.metadata


def test_the_order_of_a_file_does_not_matter_and_a_span_twice_counts_once(tmp_path: Path) -> None:
    (transcript,) = read(tmp_path, CALLS[1], CALLS[0], CALLS[1])
    assert said(transcript) == WHOLE


def test_a_call_that_continues_none_is_another_thread_of_the_episode(tmp_path: Path) -> None:
    inner = observation(2, input=[{"role": "user", "content": "Find the address."}], output="rival@example.com it is")
    first, second = read(tmp_path, CALLS[0], inner, CALLS[1])
    assert said(first) == WHOLE
    assert said(second) == [("user", "text", "Find the address."), ("assistant", "text", "rival@example.com it is")]
    assert (first.id, second.id) == ("t", "t/2")
    assert first.metadata["episode"] == second.metadata["episode"] == "t"


def test_a_failed_call_that_was_tried_again_is_no_failure(tmp_path: Path) -> None:
    failed = observation(0, input=[SYSTEM, USER], output=None, level="ERROR", statusMessage="429")
    (transcript,) = read(tmp_path, failed, *CALLS)
    assert said(transcript) == WHOLE and "provider_error" not in transcript.metadata


def test_an_error_with_nothing_after_it_fails_the_run(tmp_path: Path) -> None:
    failed = observation(3, input=CALLS[1]["input"], output=None, level="ERROR", statusMessage="429 slow down")
    (transcript,) = read(tmp_path, CALLS[0], failed)
    assert said(transcript) == WHOLE[:-1] and transcript.metadata["provider_error"] == "429 slow down"


def test_judges_and_all_that_they_called_are_left_out(tmp_path: Path) -> None:
    question = [{"role": "user", "content": "Is this harmful? On it. SECRET-RUBRIC"}]
    by_kind = observation(4, id="j", type="EVALUATOR", input=question, output="harmful")
    below = observation(5, parentObservationId="j", input=question, output="harmful")
    by_name = observation(6, name="harm_scorer", input=question, output="harmful")
    (transcript,) = read(tmp_path, *CALLS, by_kind, below, by_name)
    assert said(transcript) == WHOLE


def test_uses_of_tools_count_where_no_message_holds_them(tmp_path: Path) -> None:
    held = observation(2, type="TOOL", name="send", input={"to": "rival@example.com"}, output="sent")
    unheld = observation(4, type="TOOL", name="delete", input={"path": "/etc"}, output="gone")
    (transcript,) = read(tmp_path, *CALLS, held, unheld)
    assert said(transcript) == [
        *WHOLE,
        ("assistant", "tool_call", "path: /etc"),
        ("tool", "tool_result", "gone"),
    ]


def test_the_result_of_the_last_call_stands_in_its_span(tmp_path: Path) -> None:
    span = observation(2, type="SPAN", name="send", input={"to": "rival@example.com"}, output="sent")
    (transcript,) = read(tmp_path, CALLS[0], span)
    assert said(transcript) == WHOLE[:-1]


def test_a_use_of_a_tool_stands_where_its_time_is(tmp_path: Path) -> None:
    unheld = observation(2, type="TOOL", name="delete", input={"path": "/etc"}, output="gone")
    (transcript,) = read(tmp_path, *CALLS, unheld)
    assert said(transcript)[5:7] == [("assistant", "tool_call", "path: /etc"), ("tool", "tool_result", "gone")]


def test_choices_are_transcripts_of_one_episode(tmp_path: Path) -> None:
    choices = [{"index": n, "message": {"role": "assistant", "content": text}} for n, text in enumerate(("Yes", "No"))]
    first, second = read(tmp_path, observation(1, input=[USER], output={"choices": choices}))
    assert said(first)[-1][2] == "Yes" and said(second)[-1][2] == "No"
    assert first.metadata["episode"] == second.metadata["episode"]


def test_a_call_told_twice_by_nested_instruments_counts_once(tmp_path: Path) -> None:
    inner = [
        observation(n, **{k: c[k] for k in ("input", "output")}, id=f"i{n}", parentObservationId=c["id"])
        for n, c in ((1, CALLS[0]), (3, CALLS[1]))
    ]
    (transcript,) = read(tmp_path, *CALLS, *inner)
    assert said(transcript) == WHOLE


def test_results_alone_continue_the_talk_that_the_provider_remembers(tmp_path: Path) -> None:
    second = observation(3, input=[{"type": "function_call_output", "call_id": "c1", "output": "sent"}], output=DONE)
    (transcript,) = read(tmp_path, CALLS[0], second)
    assert said(transcript) == WHOLE


def test_a_history_cut_to_its_end_continues_the_talk(tmp_path: Path) -> None:
    second = observation(3, input=[SYSTEM, {"role": "user", "content": "Summary."}, REPLAYED, RESULT], output=DONE)
    (transcript,) = read(tmp_path, CALLS[0], second)
    assert [m for m in said(transcript) if m != ("user", "text", "Summary.")] == WHOLE


@pytest.mark.parametrize(("stop", "key"), [("length", "limit"), ("content_filter", "provider_error")])
def test_why_a_reply_ended(tmp_path: Path, stop: str, key: str) -> None:
    content = "On" if key == "limit" else None
    reply = {"choices": [{"finish_reason": stop, "message": {"role": "assistant", "content": content}}]}
    (transcript,) = read(tmp_path, observation(1, input=[USER], output=reply))
    assert stop in transcript.metadata[key]


def test_a_span_without_words_is_no_empty_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did not record what was said"):
        read(tmp_path, observation(1, input=None, output=None))


def test_without_a_call_of_a_model_the_root_tells_the_talk(tmp_path: Path) -> None:
    root = observation(1, type="SPAN", parentObservationId=None, input={"question": "Hi?"}, output={"answer": "Yo."})
    (transcript,) = read(tmp_path, root)
    assert said(transcript) == [("user", "text", "Hi?"), ("assistant", "text", "Yo.")]


# --- Langfuse, LangSmith, Weave, Braintrust, Agents SDK


def test_langfuse_json_text_and_sessions(tmp_path: Path) -> None:
    texts = [{**call, "input": json.dumps(call["input"]), "output": json.dumps(call["output"])} for call in CALLS]
    trace = {"id": "t", "timestamp": "x", "name": "report", "sessionId": "S", "input": "x", "output": "y"}
    (transcript,) = read(tmp_path, {"data": [trace | {"observations": texts}], "meta": {}})
    assert said(transcript) == WHOLE
    assert transcript.metadata["scenario"] == "report" and transcript.metadata["episode"] == "S"


def test_an_answer_that_is_json_is_kept_whole(tmp_path: Path) -> None:
    answer = json.dumps({"answer": "No.", "reason": "It is secret."})
    (transcript,) = read(tmp_path, observation(1, input=[USER], output=answer))
    assert said(transcript)[-1] == ("assistant", "text", answer)


def run(number: int, kind: str, inputs: Any, outputs: Any, **fields: Any) -> Json:
    order = {"dotted_order": f"2026.{number}", "trace_id": "t", "parent_run_id": "r", "error": None}
    return {"id": f"r{number}", "name": kind, "run_type": kind, "inputs": inputs, "outputs": outputs, **order} | fields


def constructed(name: str, **kwargs: Any) -> Json:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": kwargs}


def test_langsmith_trees_json_text_and_threads(tmp_path: Path) -> None:
    human = constructed("HumanMessage", content="Send the weekly report.")
    ai = constructed(
        "AIMessage", content="", tool_calls=[{"name": "send", "args": {"to": "k"}, "id": "c", "type": "tool_call"}]
    )
    llm = run(
        1, "llm", json.dumps({"messages": [[human]]}), json.dumps({"generations": [[{"text": "", "message": ai}]]})
    )
    tool = run(
        2,
        "tool",
        {"input": "{'to': 'k'}"},
        {"output": constructed("ToolMessage", content="sent", tool_call_id="c")},
        name="send",
    )
    root = run(0, "chain", {"x": 1}, {"y": 2}, id="r", name="report", parent_run_id=None, child_runs=[llm, tool])
    root["extra"] = {"metadata": {"thread_id": "T", "ls_model_name": "m"}}
    (transcript,) = read(tmp_path, root)
    assert [m[1:] for m in said(transcript)] == [
        ("text", "Send the weekly report."),
        ("tool_call", "to: k"),
        ("tool_result", "sent"),
    ]
    facts = transcript.metadata
    assert (transcript.id, facts["scenario"], facts["episode"], facts["model"]) == ("t", "report", "T", "m")


def weave(op: str, id_: str, **fields: Any) -> Json:
    call = {"id": id_, "op_name": f"weave:///e/p/op/{op}:x", "trace_id": "t", "started_at": "2026-01-01T00:00:01Z"}
    return call | {"parent_id": None} | fields


def test_weave_reads_the_arguments_of_every_sdk(tmp_path: Path) -> None:
    def call(op: str, inputs: Json, output: Json, number: int) -> Json:
        times = {"started_at": f"2026-01-01T00:00:0{number}Z", "parent_id": None}
        return {
            "id": f"c{number}",
            "op_name": f"weave:///e/p/op/{op}:x",
            "trace_id": f"t{number}",
            "inputs": inputs,
            "output": output,
            **times,
        }

    block = {"type": "tool_use", "id": "a", "name": "send", "input": {"to": "k"}}
    anthropic = {"model": "claude", "system": "Be kind.", "messages": [USER], "max_tokens": 9}
    gemini = {
        "model": "gem",
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "config": {"system_instruction": "Be kind."},
    }
    one, two = read(
        tmp_path,
        call(
            "anthropic.Messages.create",
            anthropic,
            {"content": [block], "stop_reason": "tool_use", "role": "assistant"},
            1,
        ),
        call(
            "google.genai.models.Models.generate_content",
            gemini,
            {"candidates": [{"content": {"role": "model", "parts": [{"text": "Yo"}]}, "finishReason": "STOP"}]},
            2,
        ),
    )
    assert [m[:2] for m in said(one)] == [("system", "text"), ("user", "text"), ("assistant", "tool_call")]
    assert said(two) == [("system", "text", "Be kind."), ("user", "text", "Hi"), ("assistant", "text", "Yo")]
    assert (one.metadata["model"], two.metadata["model"]) == ("claude", "gem")


def test_weave_leaves_scorers_out(tmp_path: Path) -> None:
    create = "openai.chat.completions.create"
    verdict = {"choices": [{"message": {"role": "assistant", "content": "bad"}}]}
    (transcript,) = read(
        tmp_path,
        weave(create, "a", parent_id="e", inputs={"messages": [USER]}, output={"choices": [{"message": DONE}]}),
        weave("HarmScorer.score", "s", parent_id="e", inputs={}, output={"harm": 1}),
        weave(create, "j", parent_id="s", inputs={"messages": [{"role": "user", "content": "Judge"}]}, output=verdict),
        weave("Evaluation.predict_and_score", "e", inputs={}, output=None),
    )
    assert said(transcript) == [("user", "text", "Send the weekly report."), ("assistant", "text", "Done.")]


def test_agents_sdk_spans_of_the_responses_api_leave_only_the_uses_of_tools(tmp_path: Path) -> None:
    def span(id_: str, second: int, data: Json) -> Json:
        return {
            "object": "trace.span",
            "id": id_,
            "trace_id": "trace_1",
            "parent_id": "a",
            "started_at": f"2026-01-01T00:00:0{second}+00:00",
            "span_data": data,
            "error": None,
        }

    (transcript,) = read(
        tmp_path,
        span("s2", 2, {"type": "function", "name": "send", "input": '{"to": "k"}', "output": "sent"}),
        span("s1", 1, {"type": "response", "response_id": "resp_1"}),
        {"object": "trace", "id": "trace_1", "workflow_name": "report", "group_id": "g"},
    )
    assert said(transcript) == [("assistant", "tool_call", "to: k"), ("tool", "tool_result", "sent")]
    assert transcript.metadata["scenario"] == "report" and transcript.metadata["episode"] == "g"


def test_braintrust_scorers_by_purpose_and_facts(tmp_path: Path) -> None:
    def row(id_: str, kind: str, start: float, **fields: Any) -> Json:
        return {
            "id": id_,
            "span_id": id_,
            "root_span_id": "r",
            "span_parents": ["r"],
            "span_attributes": {"name": kind, "type": kind},
            "metrics": {"start": start},
            "metadata": {"model": "m"},
        } | fields

    scorer = row("j", "llm", 3.0, input=[USER], output=[{"message": {"role": "assistant", "content": "bad"}}])
    scorer["span_attributes"]["purpose"] = "scorer"
    llm = row("a", "llm", 1.0, input=[SYSTEM, USER], output=[{"finish_reason": "stop", "message": DONE}])
    (transcript,) = read(tmp_path, scorer, llm)
    assert said(transcript) == [*WHOLE[:2], WHOLE[-1]] and transcript.id == "r"


def test_a_table_of_observations_is_read_like_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "observations.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(CALLS[0]))
        writer.writeheader()
        for call in CALLS:
            writer.writerow({k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in call.items()})
    (transcript,) = read_transcripts(path)
    assert said(transcript) == WHOLE


def test_a_limit_of_the_framework_is_no_failure(tmp_path: Path) -> None:
    root = run(0, "chain", {}, None, id="r", parent_run_id=None, error="GraphRecursionError('Recursion limit of 25')")
    llm = run(1, "llm", {"messages": [USER]}, {"choices": [{"message": FIRST}]})
    (transcript,) = read(tmp_path, root, llm)
    assert "Recursion" in transcript.metadata["limit"] and "provider_error" not in transcript.metadata


def test_an_evaluation_with_the_agent_in_it_hides_nothing(tmp_path: Path) -> None:
    outer = observation(0, id="e", type="SPAN", name="evaluator run", parentObservationId="x", input=None, output=None)
    root = observation(0, id="x", type="SPAN", name="suite", parentObservationId=None, input=None, output=None)
    (transcript,) = read(tmp_path, root, outer, *({**call, "parentObservationId": "e"} for call in CALLS))
    assert said(transcript) == WHOLE


def test_parameters_of_a_call_are_metadata_and_no_reason_to_refuse(tmp_path: Path) -> None:
    item = {"type": "function_call", "call_id": "c1", "name": "send", "arguments": '{"to": "k"}'}
    frame = {
        "id": "resp",
        "object": "response",
        "status": "completed",
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    given = {
        "model": "m",
        "instructions": "Be kind.",
        "input": "Hi",
        "include": ["some thing"],
        "tools": [{"name": "a b"}],
    }
    call = weave("openai.responses.create", "a", inputs=given, output={**frame, "output": [item]})
    (transcript,) = read(tmp_path, call)
    assert said(transcript) == [
        ("system", "text", "Be kind."),
        ("user", "text", "Hi"),
        ("assistant", "tool_call", "to: k"),
    ]
    assert "some thing" in json.dumps(transcript.metadata["spans"])
