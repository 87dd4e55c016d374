"""smolagents: the steps of an agent's memory, alone or in the result of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, assistant_text, make_call
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal, model_of
from grader.readers.records import Record
from grader.readers.shapes import smolagents as shape
from grader.readers.shapes.common import mapping, objects
from grader.transcript import Message, Transcript, tool_call

# Copies of what other fields say, and the frame of a step.
NAMED = frozenset({"model_input_messages", "model_output_message", "timing", "token_usage", "error", "function.name"})
_CODE = re.compile(r"<code>(.*?)(?:</code>|\Z)|```(?:py|python)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_THOUGHT = re.compile(r"\A\s*Thought:\s*", re.IGNORECASE)
_ONLY_ANSWER = re.compile(r"\s*final_answer\(.*\)\s*", re.DOTALL)
_FENCE = re.compile(r"```(?:py|python)\b")
_END_CODE = "<end_code>"
# Copies of what other fields say, and the frame of a step.
NAMED = frozenset({"model_input_messages", "model_output_message", "timing", "token_usage", "error", "function.name"})
_INTERPRETER = "python_interpreter"
_ANSWER = "final_answer"


def parse_smolagents(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per run: the result of ``agent.run(return_full_result=True)`` or a list of memory steps.

    A ``Thought:`` before code is reasoning, the code a call of ``python_interpreter``, ``final_answer`` a text.
    """
    first = next(records, None)
    if first is None:
        return
    if _is_step(first.value):  # the steps themselves, as a list or line by line
        steps = [record.value for record in chain([first], records)]
        whole = Record(value={"steps": steps}, file=first.file, place=first.place, number=first.number)
        yield from read_each(iter([whole]), lambda record: _read(record, id_=record.file))
        return
    yield from read_each(chain([first], records), lambda record: _read(record, id_=record.default_id))


def is_smolagents(value: Any) -> bool:
    """Whether a record is a memory step of smolagents, or the result of a run."""
    match value:
        case {"steps": [first, *_], "state": _, "output": _}:
            return _is_step(first)
        case {"messages": [*messages]}:
            return any(isinstance(message, Mapping) and shape.is_message(message) for message in messages)
    return _is_step(value)


def _is_step(value: Any) -> bool:
    match value:
        case {"step_number": _}:
            return "model_output" in value or "tool_calls" in value or "observations" in value
        case {"task": _, "task_images": _}:
            return True
        case {"system_prompt": str(), **rest}:
            return not rest
    return False


def _read(record: Record, *, id_: str) -> Iterator[Transcript]:
    value = record.value
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list) and "steps" not in value:
        yield _chat(value, id_, source=record.file)
        return
    steps = value.get("steps") if isinstance(value, Mapping) else None
    if not isinstance(steps, list):
        raise InputError("no run of smolagents: 'steps' is not a list")
    parts: list[Message] = []
    for number, step in enumerate(steps, 1):
        if not isinstance(step, Mapping):
            raise InputError(f"steps[{number - 1}] is not an object but {type(step).__name__}")
        parts += _step(step)
    output = as_text(value.get("output"))
    if output.strip() and not any(part.role == "assistant" and part.text.strip() == output.strip() for part in parts):
        parts += assistant_text(output)
    last: Mapping[str, Any] = next((step for step in reversed(steps) if "step_number" in step), {})
    metadata = {key: item for key, item in value.items() if key not in ("steps", "output") and item is not None}
    if (model := _model(steps)) is not None:
        metadata["model"] = model
    metadata |= ending(parts, error=_error(last))
    if "max_steps" in as_text(value.get("state")) or mapping(last.get("error")).get("type") == "AgentMaxStepsError":
        metadata["limit"] = "max_steps"
    raw = {"output": value.get("output"), "steps": [_talk(step) for step in steps]}
    yield build_transcript(id_, parts, metadata, source=record.file, raw=raw, named=NAMED)


def _talk(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """A step without the code that only gives the answer, and without the answer's echo."""
    if isinstance(output := step.get("model_output"), str):
        step = {**step, "model_output": _FENCE.sub("```", output).replace(_END_CODE, "")}
    if not step.get("is_final_answer"):
        return step
    repeats = {"observations", "tool_calls", "code_action", "model_output"}
    code = as_text(step.get("code_action"))
    return {k: v for k, v in step.items() if k not in repeats or (code and k == "code_action" and not _is_answer(code))}


def _is_answer(code: str) -> bool:
    return _ONLY_ANSWER.fullmatch(code) is not None


def _chat(value: Mapping[str, Any], id_: str, *, source: str) -> Transcript:
    """An agent's memory as the messages that its model is sent."""
    parts = conversation(value["messages"])
    metadata = record_metadata(value, without={"id", "messages"})
    raw = {**value, "messages": [_without_frame(message) for message in value["messages"]]}
    own = record_id(value, id_)
    return build_transcript(own, parts, metadata | ending(parts), source=source, raw=raw, named=NAMED | {"raw"})


def _without_frame(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message whose text is nothing but what was called or observed."""
    if message.get("role") != "tool-call":
        return message
    return {**message, "content": shape.written_calls(as_text(message.get("content")))}


def _model(steps: list[Any]) -> str | None:
    outputs = (mapping(mapping(step).get("model_output_message")) for step in steps)
    return next((name for output in outputs if (name := model_of(literal(output.get("raw")))) is not None), None)


def _error(step: Mapping[str, Any]) -> str | None:
    """The error of a step whose model gave nothing; other errors are what the agent saw next."""
    error = mapping(step.get("error"))
    if error.get("type") != "AgentGenerationError" or as_text(step.get("model_output")).strip():
        return None
    return as_text(error.get("message")) or "AgentGenerationError"


def _step(step: Mapping[str, Any]) -> Iterator[Message]:
    if text := as_text(step.get("system_prompt")).strip():
        yield Message(role="system", kind="text", text=text)
    if text := as_text(step.get("task")).strip():
        yield Message(role="user", kind="text", text=text)
        yield from (Message(role="user", kind="text", text="[image]") for _ in _list(step.get("task_images")))
    if text := as_text(step.get("plan")).strip():
        yield from assistant_text(text)
    if "step_number" in step:
        yield from _action(step)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _action(step: Mapping[str, Any]) -> Iterator[Message]:
    calls = objects(literal(step.get("tool_calls")))
    code = as_text(step.get("code_action"))
    final = bool(step.get("is_final_answer"))
    output, written = _said(as_text(_model_output(step)))
    yield from output
    names: list[str] = []
    answers: list[str] = []
    for call in calls:
        function = mapping(call.get("function"))
        name, arguments = (
            as_text(function.get("name", call.get("name"))),
            literal(function.get("arguments", call.get("arguments"))),
        )
        if name == _ANSWER:
            answers.append(_answer(arguments))
        elif name == _INTERPRETER:
            code = code or (as_text(arguments.get("code")) if isinstance(arguments, Mapping) else as_text(arguments))
        else:
            names.append(name)
            yield make_call(name, arguments)
    code = code or written
    if code.strip() and not (final and _is_answer(code)):
        names.append(_INTERPRETER)
        yield tool_call(_INTERPRETER, {"code": code}, text=code)
    yield from _observed(step, names)
    given = as_text(step.get("action_output")) if final else ""
    for answer in dict.fromkeys(text for text in (*answers, given) if text.strip()):
        yield from assistant_text(answer)


def _model_output(step: Mapping[str, Any]) -> Any:
    output = step.get("model_output")
    if isinstance(output, list):
        return "\n".join(as_text(mapping(part).get("text", part)) for part in output)
    return output


def _said(text: str) -> tuple[list[Message], str]:
    """What the model wrote, as reasoning and text, and the code in it."""
    code = "\n".join(match[1] if match[1] is not None else match[2] for match in _CODE.finditer(text))
    words = _CODE.sub("", text).replace(_END_CODE, "").strip()
    if not words:
        return [], code
    if _THOUGHT.match(text) or code:
        return [Message(role="assistant", kind="reasoning", text=_THOUGHT.sub("", words))], code
    return list(assistant_text(words)), code


def _answer(arguments: Any) -> str:
    if isinstance(arguments, Mapping) and len(arguments) == 1:
        return as_text(next(iter(arguments.values())))
    return as_text(arguments)


def _observed(step: Mapping[str, Any], names: list[str]) -> Iterator[Message]:
    """What came back; the echo of a final answer is none."""
    text = as_text(step.get("observations"))
    answer = as_text(step.get("action_output")).strip()
    final = bool(step.get("is_final_answer"))
    echo = final and (text.strip() == answer or (not names and bool(answer) and answer in text))
    error = mapping(step.get("error"))
    texts = [] if echo else [text]
    texts += ["[image]" for _ in _list(step.get("observations_images"))]
    if error.get("type") != "AgentGenerationError":
        texts.append(as_text(error.get("message")))
    if joined := "\n".join(text for text in texts if text.strip()):
        yield Message(role="tool", kind="tool_result", text=joined, name=names[0] if len(names) == 1 else None)


FORMAT = Format(
    name="smolagents",
    parse=parse_smolagents,
    fits=is_smolagents,
    unit="file",
    recognised_by="`step_number`, `task` with `task_images`, or `steps`, `state` and `output`",
    id="the file, and its line",
    model="the model of a step's raw output",
    failures="AgentGenerationError in the last step; no word of the agent",
)
