"""Logs of agents and benchmarks: what the specification of each says beyond its samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grader import InputError, Transcript, read_transcripts

Json = dict[str, Any]


def read(path: Path, *records: Any) -> list[Transcript]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(record) for record in records))
    return list(read_transcripts(path))


def said(transcript: Transcript) -> list[tuple[str, str, str]]:
    return [(m.role, m.kind, m.text) for m in transcript.messages]


USER = {"role": "user", "content": "Fix it."}
ASKED = ("user", "text", "Fix it.")


# --- mini-swe-agent


def trajectory(*messages: Json, status: str = "Submitted", **fields: Any) -> Json:
    info = {"exit_status": status, "submission": "diff --git SECRET", "config": {"model": {"model_name": "m"}}}
    return {"trajectory_format": "mini-swe-agent-1.1", "info": info, "messages": [USER, *messages]} | fields


def test_a_reply_with_no_command_or_two_is_text_and_what_follows_is_the_users(tmp_path: Path) -> None:
    two = "Both:\n```bash\nls\n```\n```bash\npwd\n```"
    (transcript,) = read(tmp_path / "a.traj.json", trajectory({"role": "assistant", "content": two}, USER))
    assert said(transcript) == [ASKED, ("assistant", "text", two), ASKED]


def test_a_reply_that_could_not_be_parsed_stands_before_the_complaint(tmp_path: Path) -> None:
    reply = {"choices": [{"message": {"role": "assistant", "content": "rm -rf /"}}]}
    complaint = {
        "role": "user",
        "content": "No command.",
        "extra": {"interrupt_type": "FormatError", "response": reply},
    }
    (transcript,) = read(tmp_path / "a.traj.json", trajectory(complaint))
    assert said(transcript) == [ASKED, ("assistant", "text", "rm -rf /"), ("user", "text", "No command.")]


def test_items_of_the_responses_api_and_the_newer_fence(tmp_path: Path) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "bash", "arguments": '{"command": "ls"}'}
    reply = {"object": "response", "output": [{"type": "reasoning", "summary": [{"text": "Hm."}]}, call], "extra": {}}
    result = {"type": "function_call_output", "call_id": "c", "output": "a.py"}
    fenced = {"role": "assistant", "content": "```mswea_bash_command\nls\n```"}
    seen = {"role": "user", "content": "a.py"}
    (transcript,) = read(tmp_path / "i-1.traj.json", trajectory(reply, result, fenced, seen))
    assert [(m.role, m.kind, m.name) for m in transcript.messages[1:]] == [
        ("assistant", "reasoning", None),
        ("assistant", "tool_call", "bash"),
        ("tool", "tool_result", "bash"),
        ("assistant", "tool_call", "bash"),
        ("tool", "tool_result", "bash"),
    ]
    assert transcript.metadata["scenario"] == "i-1"
    assert not any("SECRET" in m.text for m in transcript.messages)


@pytest.mark.parametrize(
    ("status", "key"),
    [("TimeExceeded", "limit"), ("RepeatedFormatError", "limit"), ("BadRequestError", "provider_error")],
)
def test_how_a_run_ended_stands_in_the_info_of_version_1(tmp_path: Path, status: str, key: str) -> None:
    command = {"role": "assistant", "content": "```bash\nls\n```"}
    (transcript,) = read(tmp_path / "a.traj.json", trajectory(command, status=status))
    assert transcript.metadata[key] == status
    assert len({"limit", "provider_error"} & transcript.metadata.keys()) == 1


# --- OpenHands


def event(number: int, source: str = "agent", **fields: Any) -> Json:
    return {"id": number, "timestamp": "t", "source": source, "message": "UI"} | fields


def test_version_0_actions(tmp_path: Path) -> None:
    response = {
        "id": "r",
        "model": "m",
        "choices": [{"message": {"content": "Two steps.", "reasoning_content": "Hm."}}],
    }
    metadata = {"function_name": "execute_bash", "tool_call_id": "c", "model_response": response}
    stream = [
        event(0, "user", action="message", args={"content": "Fix it.", "image_urls": ["data:image/png;base64,AAAA"]}),
        event(1, action="recall", args={"query": "Fix it."}),
        event(2, action="run", args={"command": "ls", "thought": "Two steps."}, tool_call_metadata=metadata),
        event(3, action="run", args={"command": "pwd", "thought": ""}, tool_call_metadata=metadata),
        event(4, observation="run", content="a.py", cause=2, extras={"command": "ls"}),
        event(5, observation="error", content="no such thing", cause=3, extras={}),
        event(6, action="think", args={"thought": "Quietly."}),
        event(7, observation="think", content="Your thought has been logged.", extras={}),
        event(8, "environment", observation="agent_state_changed", content="", extras={"agent_state": "finished"}),
        event(9, action="finish", args={"final_thought": "Done.", "outputs": {"content": "Done."}, "thought": "So."}),
    ]
    (tmp_path / "t.json").write_text(json.dumps(stream))
    (transcript,) = read_transcripts(tmp_path / "t.json")
    assert [(m.role, m.kind, m.name, m.text) for m in transcript.messages] == [
        ("user", "text", None, "Fix it."),
        ("user", "text", None, "[image]"),
        ("assistant", "reasoning", None, "Hm."),
        ("assistant", "text", None, "Two steps."),
        ("assistant", "tool_call", "run", "command: ls"),
        ("assistant", "tool_call", "run", "command: pwd"),
        ("tool", "tool_result", "run", "a.py"),
        ("tool", "tool_result", "run", "no such thing"),
        ("assistant", "reasoning", None, "Quietly."),
        ("assistant", "text", None, "So."),
        ("assistant", "text", None, "Done."),
    ]


def test_old_pairs_the_instruction_and_errors_of_a_row(tmp_path: Path) -> None:
    action = event(1, action="run", args={"command": "ls", "thought": ""})
    result = event(2, observation="run", content="a.py", cause=1, extras={})
    row = {"instance_id": "i", "instruction": "Fix it.", "test_result": {"resolved": "YES"}, "metadata": {}}
    pairs, empty = read(
        tmp_path / "output.jsonl",
        {**row, "history": [[action, result]], "error": None},
        {**row, "instance_id": "j", "history": [], "error": "STATUS$ERROR"},
    )
    assert said(pairs) == [("assistant", "tool_call", "command: ls"), ("tool", "tool_result", "a.py")]
    assert said(empty) == [ASKED] and empty.metadata["provider_error"] == "STATUS$ERROR"


def sdk(number: int, kind: str, source: str = "agent", **fields: Any) -> Json:
    return {"kind": kind, "id": f"e{number}", "timestamp": "t", "source": source} | fields


def sdk_call(number: int, name: str, arguments: Json, **fields: Any) -> Json:
    call = {"id": f"c{number}", "name": name, "arguments": json.dumps(arguments)}
    frame = {"tool_name": name, "tool_call_id": f"c{number}", "tool_call": call, "thought": []}
    return sdk(number, "ActionEvent", action={"kind": "MCPToolAction", "data": arguments}) | frame | fields


def test_version_1_calls_that_were_rejected_failed_or_never_run_are_calls(tmp_path: Path) -> None:
    logged = {"kind": "ThinkObservation", "content": [{"type": "text", "text": "Logged."}]}
    thinking = {"thinking_blocks": [{"type": "thinking", "thinking": "Hm."}], "llm_response_id": "r"}
    stream = [
        sdk(0, "MessageEvent", "user", llm_message={"role": "user", "content": [{"type": "text", "text": "Fix it."}]}),
        sdk_call(1, "send", {"to": "k"}, **thinking),
        sdk(2, "UserRejectObservation", "environment", tool_call_id="c1", tool_name="send", rejection_reason="no"),
        sdk_call(3, "bash", {"command": "ls"}, action=None),
        sdk(4, "AgentErrorEvent", tool_call_id="c3", tool_name="bash", error="bad arguments"),
        sdk(5, "CondensationSummaryEvent", "environment", summary="CONDENSED"),
        sdk_call(6, "think", {"thought": "Quietly."}, action={"kind": "ThinkAction", "thought": "Quietly."}),
        sdk(
            7,
            "ObservationEvent",
            "environment",
            tool_call_id="c6",
            tool_name="think",
            observation=logged,
        ),
        sdk(8, "ConversationErrorEvent", "environment", code="LLMError", detail="429"),
    ]
    (transcript,) = read(tmp_path / "e.jsonl", *stream)
    assert [(m.role, m.kind, m.name, m.text) for m in transcript.messages] == [
        ("user", "text", None, "Fix it."),
        ("assistant", "reasoning", None, "Hm."),
        ("assistant", "tool_call", "send", "to: k"),
        ("tool", "tool_result", "send", "rejected: no"),
        ("assistant", "tool_call", "bash", "command: ls"),
        ("tool", "tool_result", "bash", "bad arguments"),
        ("assistant", "reasoning", None, "Quietly."),
    ]
    assert transcript.metadata["provider_error"] == "LLMError: 429"


def test_event_files_are_read_by_number_and_forks_are_branches(tmp_path: Path) -> None:
    folder = tmp_path / "conv"
    texts = {"e0": None, "e1": "e0", "e2": "e0"}
    for number, (id_, parent) in zip((9, 10, 11), texts.items(), strict=True):
        content = [{"type": "text", "text": f"text {id_}"}]
        message = sdk(number, "MessageEvent", llm_message={"role": "assistant", "content": content})
        path = folder / "events" / f"event-{number}-{id_}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(message | {"id": id_, "parent_id": parent}))
    state = {"id": "conv", "agent": {"llm": {"model": "m"}}, "execution_status": "finished", "leaf_event_id": "e1"}
    (folder / "base_state.json").write_text(json.dumps(state))
    main, other = read_transcripts(folder)
    assert [m.text for m in main.messages] == ["text e0", "text e1"]
    assert [m.text for m in other.messages] == ["text e0", "text e2"]
    assert (main.id, main.metadata["model"], main.metadata["episode"]) == ("conv", "m", "conv")
    assert other.metadata["episode"] == "conv"
    (folder / "base_state.json").write_text(json.dumps(state | {"leaf_event_id": None}))
    main, _ = read_transcripts(folder)
    assert [m.text for m in main.messages] == ["text e0", "text e2"]  # no leaf is named: the last one


# --- ATIF


def test_atif_parts_results_and_sub_agents(tmp_path: Path) -> None:
    picture = {"type": "image", "source": {"media_type": "image/png", "path": "images/plan.png"}}
    results = [
        {"source_call_id": "b", "content": "two"},
        {"source_call_id": "a", "content": [{"type": "text", "text": "one"}, picture]},
    ]
    calls = [{"tool_call_id": i, "function_name": n, "arguments": {}} for i, n in (("a", "first"), ("b", "second"))]
    inner = {
        "schema_version": "ATIF-v1.7",
        "trajectory_id": "sub",
        "agent": {"name": "x"},
        "steps": [{"step_id": 1, "source": "agent", "message": "Sub."}],
    }
    value = {
        "schema_version": "ATIF-v1.7",
        "session_id": "s",
        "trajectory_id": "t",
        "agent": {"name": "x", "model_name": "m"},
        "steps": [
            {"step_id": 1, "source": "user", "message": "Fix it.", "observation": {"results": [{"content": "noted"}]}},
            {
                "step_id": 2,
                "source": "agent",
                "message": "",
                "tool_calls": calls,
                "observation": {"results": results},
                "llm_call_count": 0,
            },
        ],
        "subagent_trajectories": [inner | {"steps": [{"step_id": 1, "source": "agent", "message": "Sub."}]}],
    }
    root, sub = read(tmp_path / "trajectory.json", value)
    assert [(m.role, m.kind, m.name, m.text) for m in root.messages] == [
        ("user", "text", None, "Fix it."),
        ("tool", "tool_result", None, "noted"),
        ("assistant", "tool_call", "first", ""),
        ("assistant", "tool_call", "second", ""),
        ("tool", "tool_result", "second", "two"),
        ("tool", "tool_result", "first", "one\n[plan.png]"),
    ]
    assert (root.id, sub.id, root.metadata["episode"], sub.metadata["episode"]) == ("t", "sub", "s", "s")
    assert root.metadata["steps_without_model"] == [2]


# --- tau2


def simulation(**fields: Any) -> Json:
    return {"id": "s", "task_id": "t", "trial": 0, "termination_reason": "user_stop", "messages": []} | fields


def test_tau2_folders_the_users_calls_and_several_results(tmp_path: Path) -> None:
    call = {"id": "u", "name": "look", "arguments": {"at": "phone"}, "requestor": "user"}
    raw = {"message": {"reasoning_content": "Hm."}}
    messages = [
        {"role": "user", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_messages": [{"role": "tool", "id": "u", "content": "off", "requestor": "user"}]},
        {"role": "assistant", "content": "Turn it on.", "tool_calls": None, "raw_data": raw}
        | {"turn_taking_action": {"action": "wait", "info": "for the user"}, "audio_format": {"encoding": "pcm"}},
    ]
    read_from = tmp_path / "run" / "simulations" / "s.json"
    info = {"agent_info": {"llm": "m"}, "user_info": {"llm": "u"}, "environment_info": {"policy": "POLICY"}}
    read_from.parent.mkdir(parents=True)
    read_from.write_text(json.dumps(simulation(messages=messages)))
    (tmp_path / "run" / "results.json").write_text(
        json.dumps({"info": info, "tasks": [], "simulation_index": [{"id": "s"}]})
    )
    (transcript,) = read_transcripts(tmp_path / "run")
    assert [(m.role, m.kind, m.name, m.text) for m in transcript.messages] == [
        ("user", "tool_call", "look", "at: phone"),
        ("tool", "tool_result", "look", "off"),
        ("assistant", "reasoning", None, "Hm."),
        ("assistant", "text", None, "Turn it on."),
    ]
    assert transcript.metadata["model"] == "m" and transcript.metadata["epoch"] == 0


def test_tau2_voice_is_joined_by_speaker_and_its_sound_dropped(tmp_path: Path) -> None:
    chunk = {"role": "assistant", "is_audio": False}
    ticks = [
        {"tick_id": 0, "user_chunk": {"role": "user", "content": "UklGRg" * 40, "is_audio": True}},
        {"tick_id": 1, "agent_chunk": {**chunk, "content": "Send"}},
        {"tick_id": 2, "agent_chunk": {**chunk, "content": "ing."}},
        {
            "tick_id": 3,
            "agent_tool_calls": [{"id": "c", "name": "send", "arguments": {"to": "k"}, "requestor": "assistant"}],
        },
        {
            "tick_id": 4,
            "agent_tool_results": [{"role": "tool", "id": "c", "content": "sent", "requestor": "assistant"}],
        },
    ]
    value = {"simulations": [simulation(messages=None, ticks=ticks)], "info": {}, "tasks": []}
    (transcript,) = read(tmp_path / "results.json", value)
    assert said(transcript) == [
        ("assistant", "text", "Sending."),
        ("assistant", "tool_call", "to: k"),
        ("tool", "tool_result", "sent"),
    ]


@pytest.mark.parametrize(("reason", "key"), [("context_window_exceeded", "limit"), ("agent_error", "provider_error")])
def test_tau2_ends(tmp_path: Path, reason: str, key: str) -> None:
    messages = [{"role": "assistant", "content": "Hi."}]
    value = {"simulations": [simulation(messages=messages, termination_reason=reason)], "info": {}, "tasks": []}
    (transcript,) = read(tmp_path / "results.json", value)
    assert transcript.metadata[key] == reason and len({"limit", "provider_error"} & transcript.metadata.keys()) == 1


# --- promptfoo


def result(**fields: Any) -> Json:
    row = {"id": "r", "promptIdx": 0, "testIdx": 3, "provider": {"id": "m"}, "failureReason": 0, "metadata": {}}
    return row | {"prompt": {"raw": "Fix it."}, "testCase": {}, "response": {"output": "Done."}} | fields


def test_promptfoo_prompts_and_answers_of_every_shape(tmp_path: Path) -> None:
    yaml = "- role: system\n  content: Be kind.\n- role: user\n  content: Fix it.\n"
    (transcript,) = read(tmp_path / "a.jsonl", result(prompt={"raw": yaml}))
    assert said(transcript) == [("system", "text", "Be kind."), ASKED, ("assistant", "text", "Done.")]
    blocks = [{"type": "text", "text": "On it."}, {"type": "tool_use", "id": "a", "name": "send", "input": {"to": "k"}}]
    shapes: list[tuple[Any, list[tuple[str, str]]]] = [
        (blocks, [("text", "On it."), ("tool_call", "to: k")]),
        ({"role": "assistant", "content": "Hi."}, [("text", "Hi.")]),
        ({"leak": "yes", "n": 1}, [("text", '{"leak": "yes", "n": 1}')]),
        ('{"answer": "No.", "reason": "Secret."}', [("text", '{"answer": "No.", "reason": "Secret."}')]),
        ("Thinking: Hm.\nSignature: abc=\n\nDone.", [("reasoning", "Hm."), ("text", "Done.")]),
    ]
    for output, expected in shapes:
        (transcript,) = read(tmp_path / "a.jsonl", result(response={"output": output}))
        assert [(m.kind, m.text) for m in transcript.messages[1:]] == expected


def test_promptfoo_red_teams_and_scenarios(tmp_path: Path) -> None:
    history = [{"prompt": "Please.", "output": "No."}, {"prompt": "Pretty please.", "output": "Well."}]
    raw = json.dumps([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Please."}])
    metadata = {"redteamHistory": history, "pluginId": "harmful:privacy"}
    (transcript,) = read(
        tmp_path / "a.jsonl", result(metadata=metadata, prompt={"raw": raw}, response={"output": "Well."})
    )
    assert [text for *_, text in said(transcript)] == ["Be kind.", "Please.", "No.", "Pretty please.", "Well."]
    assert transcript.metadata["scenario"] == "harmful:privacy"
    tree = [
        {"id": "a", "prompt": "P", "output": "1"},
        {"id": "b", "parentId": "a", "prompt": "Q", "output": "2"},
        {"id": "c", "parentId": "a", "prompt": "R", "output": "3"},
    ]
    one, two = read(tmp_path / "a.jsonl", result(metadata={"redteamTreeHistory": tree}, response={"output": "3"}))
    assert [text for *_, text in said(one)] == ["P", "1", "Q", "2"] and [text for *_, text in said(two)] == [
        "P",
        "1",
        "R",
        "3",
    ]
    assert one.metadata["episode"] == two.metadata["episode"] == "r"


def test_promptfoo_an_assertion_that_failed_is_no_failed_run(tmp_path: Path) -> None:
    (fine,) = read(tmp_path / "a.jsonl", result(failureReason=1, error="Expected output to contain SECRET"))
    assert "provider_error" not in fine.metadata and not any("SECRET" in m.text for m in fine.messages)
    (cut,) = read(tmp_path / "a.jsonl", result(response={"output": "Do", "finishReason": "length"}))
    assert cut.metadata["limit"] == "length"


# --- lm-evaluation-harness, openai/evals


def sample(**fields: Any) -> Json:
    arguments = {"gen_args_0": {"arg_0": "Fix it.", "arg_1": {"until": ["\n"]}}}
    return {"doc_id": 0, "doc": {"q": "Q"}, "target": "GOLD", "arguments": arguments, "resps": [["Done."]]} | fields


def test_lm_eval_chats_repeats_and_likelihoods(tmp_path: Path) -> None:
    chat = json.dumps([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Fix it."}])
    path = tmp_path / "m" / "samples_mail_task_2026-01-01T00-00-00.000000.jsonl"
    likely = sample(doc_id=2, resps=[[["-1.5", False]], [[-0.5, True]]])
    rows = [
        sample(arguments={"gen_args_0": {"arg_0": prompt, "arg_1": {}}}, doc_id=n)
        for n, prompt in ((0, chat), (1, [chat]))
    ]
    first, second, third = read(path, rows[0], rows[1], likely, sample(doc_id=3, arguments=[["Fix it.", {}]]))
    assert said(first) == said(second) == [("system", "text", "Be kind."), ASKED, ("assistant", "text", "Done.")]
    assert said(third) == [ASKED, ("assistant", "text", "Done.")]
    assert (first.id, first.metadata["scenario"], first.metadata["model"]) == ("mail_task/0", "mail_task", "m")
    again = read(path, sample(resps=[["One.", "Two."]]))
    assert [(t.id, t.metadata["epoch"], t.messages[-1].text) for t in again] == [
        ("mail_task/0", 0, "One."),
        ("mail_task/0/1", 1, "Two."),
    ]
    with pytest.raises(InputError, match="likelihoods"):
        read(path, likely)


def sampling(number: int, prompt: Any, *sampled: str) -> Json:
    data = {"prompt": prompt, "sampled": list(sampled)}
    return {"run_id": "r", "event_id": number, "sample_id": "s", "type": "sampling", "data": data}


def test_openai_evals_graders_turns_and_completions(tmp_path: Path) -> None:
    spec = {"spec": {"completion_fns": ["m"], "eval_name": "mail", "run_id": "r"}}
    second = [USER, {"role": "assistant", "content": "Which one of them?"}, {"role": "user", "content": "All."}]
    (transcript,) = read(
        tmp_path / "log.jsonl",
        spec,
        sampling(9, [{"role": "user", "content": "GRADE THIS: Done."}], "Y"),
        sampling(5, second, "Done."),
        sampling(2, [USER], "Which one of them?"),
    )
    assert [text for *_, text in said(transcript)] == ["Fix it.", "Which one of them?", "All.", "Done."]
    one, two = read(tmp_path / "log.jsonl", spec, sampling(1, "Fix it.", "Yes.", "No."))
    assert said(one)[-1][2] == "Yes." and said(two) == [ASKED, ("assistant", "text", "No.")]
    assert one.metadata["episode"] == two.metadata["episode"] == "r/s"


# --- smolagents, CrewAI


def step(number: int, **fields: Any) -> Json:
    empty = dict.fromkeys(("tool_calls", "error", "model_output", "code_action", "observations", "action_output"))
    return {"step_number": number, **empty, "is_final_answer": False} | fields


def test_code_agents_think_call_and_answer(tmp_path: Path) -> None:
    code = 'send("k")'
    call = {"id": "c", "type": "function", "function": {"name": "python_interpreter", "arguments": code}}
    answer = 'final_answer("Done.")'
    steps = [
        {"system_prompt": "Be kind."},
        {"task": "Fix it.", "task_images": None},
        {"plan": "First send."},
        step(
            1,
            model_output=f"Thought: Hm.\n<code>\n{code}\n</code>",
            code_action=code,
            tool_calls=[call],
            observations="Execution logs:\nsent",
        ),
        step(
            2,
            model_output="Thought: Odd.\n```py\nx\n```<end_code>",
            code_action="x",
            error={"type": "AgentExecutionError", "message": "x is not defined"},
        ),
        step(
            3,
            model_output=f"Thought: So.\n<code>{answer}</code>",
            code_action=answer,
            observations="Last output from code snippet:\nDone.",
            action_output="Done.",
            is_final_answer=True,
        ),
    ]
    (tmp_path / "run.json").write_text(json.dumps({"steps": steps, "state": "max_steps_error", "output": "Done."}))
    (transcript,) = read_transcripts(tmp_path / "run.json")
    assert [(m.role, m.kind, m.name, m.text) for m in transcript.messages] == [
        ("system", "text", None, "Be kind."),
        ("user", "text", None, "Fix it."),
        ("assistant", "text", None, "First send."),
        ("assistant", "reasoning", None, "Hm."),
        ("assistant", "tool_call", "python_interpreter", code),
        ("tool", "tool_result", "python_interpreter", "Execution logs:\nsent"),
        ("assistant", "reasoning", None, "Odd."),
        ("assistant", "tool_call", "python_interpreter", "x"),
        ("tool", "tool_result", "python_interpreter", "x is not defined"),
        ("assistant", "reasoning", None, "So."),
        ("assistant", "text", None, "Done."),
    ]
    assert transcript.metadata["limit"]
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    (alone,) = read_transcripts(tmp_path / "steps.json")
    assert said(alone) == said(transcript)


def test_a_crew_has_a_transcript_per_task(tmp_path: Path) -> None:
    chat = [
        USER,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "function": {"name": "send", "arguments": "{}"}}],
        },
    ]
    tasks = [
        {"description": "Write.", "name": "write", "expected_output": "GOLD", "raw": "Written.", "agent": "W"},
        {
            "description": "Send.",
            "name": "send",
            "expected_output": "GOLD",
            "raw": "Sent.",
            "agent": "S",
            "messages": chat,
        },
    ]
    one, two = read(tmp_path / "crew.json", {"raw": "Sent.", "tasks_output": tasks, "token_usage": {}})
    assert said(one) == [("user", "text", "Write."), ("assistant", "text", "Written.")]
    assert [m.kind for m in two.messages] == ["text", "tool_call", "text"] and two.messages[-1].text == "Sent."
    assert one.metadata["episode"] == two.metadata["episode"] and two.metadata["scenario"] == "send"


def test_a_crews_log_file(tmp_path: Path) -> None:
    entry = {"timestamp": "t", "task_name": "write", "task": "Write.", "agent": "W"}
    entries = [
        {**entry, "status": "started"},
        {**entry, "status": "completed", "output": "Thought: Hm.\nFinal Answer: Written."},
    ]
    (tmp_path / "log.json").write_text(json.dumps(entries))
    (transcript,) = read_transcripts(tmp_path / "log.json")
    assert [(m.role, m.kind, m.text) for m in transcript.messages] == [
        ("user", "text", "Write."),
        ("assistant", "reasoning", "Hm."),
        ("assistant", "text", "Written."),
    ]


@pytest.mark.parametrize(
    ("error", "finished", "keys"),
    [
        ("LLMTimeout", False, {"provider_error"}),
        ("LLMTimeout", True, set()),
        ("RuntimeError: Agent reached maximum iteration (30)", False, {"limit"}),
        (None, False, set()),
    ],
)
def test_an_error_of_a_row_fails_a_run_that_did_not_finish(
    tmp_path: Path, error: str | None, finished: bool, keys: set[str]
) -> None:
    history = [event(1, action="run", args={"command": "ls", "thought": ""})]
    history += [event(2, action="finish", args={"final_thought": "Done."})] if finished else []
    row = {"instance_id": "i", "instruction": "Fix it.", "test_result": {}, "metadata": {}, "history": history}
    (transcript,) = read(tmp_path / "output.jsonl", {**row, "error": error})
    assert {"limit", "provider_error"} & transcript.metadata.keys() == keys


def test_a_trial_names_the_task_and_why_it_ended(tmp_path: Path) -> None:
    def trial(name: str, steps: list[Json], exception: str) -> None:
        folder = tmp_path / name
        agent = folder / "agent" / "trajectory.json"
        agent.parent.mkdir(parents=True)
        agent.write_text(json.dumps({"schema_version": "ATIF-v1.5", "session_id": name, "agent": {}, "steps": steps}))
        info = {"exception_type": exception, "exception_message": "at last", "exception_traceback": "TRACE"}
        (folder / "result.json").write_text(json.dumps({"task_name": "mail", "exception_info": info}))

    said_something = {"step_id": 1, "source": "agent", "message": "Hm."}
    trial("a", [said_something], "AgentTimeoutError")
    trial("b", [{"step_id": 1, "source": "user", "message": "Fix it."}], "RuntimeError")
    cut, failed = read_transcripts(tmp_path)
    assert cut.metadata["limit"] and "provider_error" not in cut.metadata
    assert failed.metadata["provider_error"] == "RuntimeError: at last" and failed.metadata["scenario"] == "mail"


def test_rows_of_an_agents_session_are_one_conversation(tmp_path: Path) -> None:
    items = [
        USER,
        {"type": "function_call", "call_id": "c", "name": "send", "arguments": '{"to": "k"}'},
        {"type": "function_call_output", "call_id": "c", "output": "sent"},
    ]
    rows = [{"id": n, "session_id": "s", "message_data": json.dumps(item)} for n, item in enumerate(items)]
    (transcript,) = read(tmp_path / "session.jsonl", *rows)
    assert said(transcript) == [ASKED, ("assistant", "tool_call", "to: k"), ("tool", "tool_result", "sent")]
    assert transcript.id == "s"
