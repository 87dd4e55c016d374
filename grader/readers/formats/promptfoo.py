"""promptfoo results: a whole evaluation as JSON, or its rows as JSONL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal
from grader.readers.payloads import answered, asked, is_message
from grader.readers.records import Record
from grader.readers.shapes.common import mapping, objects
from grader.transcript import Message, Transcript

_ERROR = 2  # `failureReason`: 0 none, 1 an assertion failed (the answer stands), 2 an error
NAMED = frozenset({"index", "usage"})
_THINKING = re.compile(r"\AThinking: (?P<thought>.*?)\n(?:Signature: \S+\n)?\n(?P<text>.*)", re.DOTALL)
_HISTORIES = ("redteamHistory", "messages", "redteamTreeHistory")


def parse_promptfoo(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per result; the branches of a red team's tree are an episode.

    The scenario is the test's description or plug-in, else its number. Scores, assertions and variables are metadata.
    """
    return read_each(records, _read)


def is_promptfoo(value: Any) -> bool:
    """Whether a record is an evaluation of promptfoo, or one row of it."""
    match value:
        case {"results": {"results": [*rows]}}:
            return "evalId" in value or not rows or is_promptfoo(rows[0])
        case {"promptIdx": int(), "testIdx": int()}:
            return True
    return False


def _read(record: Record) -> Iterator[Transcript]:
    match record.value:
        case {"results": {"results": [*rows]}}:
            eval_id = as_text(record.value.get("evalId"))
            for number, row in enumerate(rows, 1):
                if not isinstance(row, Mapping):
                    raise InputError(f"results.results[{number - 1}] is not an object")
                yield from _row(row, eval_id, default_id=f"{record.default_id}:{number}", source=record.file)
        case Mapping() as row if is_promptfoo(row):
            yield from _row(row, as_text(row.get("evalId")), default_id=record.default_id, source=record.file)
        case _:
            raise InputError("no result of promptfoo")


def _row(row: Mapping[str, Any], eval_id: str, *, default_id: str, source: str) -> Iterator[Transcript]:
    response = literal(row.get("response"))
    response = response if isinstance(response, Mapping) else {"output": response}
    prompt = _prompt(row)
    histories = _histories(row, response, prompt)
    talks = histories or [[*prompt, *_answer(response.get("output"))]]
    metadata = _metadata(row)
    failed = row.get("failureReason") == _ERROR or ("failureReason" not in row and response.get("output") is None)
    error = (as_text(row.get("error") or response.get("error")) or "error") if failed else None
    id_ = _id(row, eval_id) or default_id
    for number, talk in enumerate(talks, 1):
        parts = _with_thinking(conversation(talk))
        stop = response.get("finishReason") if number == len(talks) else None
        facts = metadata | ending(parts, error=error, stop=stop)
        if len(talks) > 1:
            facts["episode"] = id_
        raw = talk if histories else {"output": _without_labels(response.get("output"))}
        own = id_ if number == 1 else f"{id_}/branch-{number}"
        yield build_transcript(own, parts, facts, source=source, raw=raw, named=NAMED)


def _id(row: Mapping[str, Any], eval_id: str) -> str:
    if isinstance(id_ := row.get("id"), str) and id_:
        return id_
    if not eval_id:
        return ""
    repeat = [row["repeatIndex"]] if row.get("repeatIndex") else []
    return "/".join(as_text(part) for part in (eval_id, row.get("testIdx"), row.get("promptIdx"), *repeat))


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    test = mapping(row.get("testCase"))
    provider = row.get("provider")
    named = mapping(provider)
    models = (named.get("id"), named.get("label"), provider)
    scenarios = (
        test.get("description"),
        row.get("description"),
        mapping(row.get("metadata")).get("pluginId"),
        mapping(test.get("metadata")).get("pluginId"),
        row.get("testIdx"),
    )
    metadata = {key: value for key, value in row.items() if key not in ("id", "response", "prompt")}
    response = mapping(literal(row.get("response")))
    metadata["reply"] = {key: value for key, value in response.items() if key != "raw"}
    metadata["prompt"] = row.get("prompt")
    metadata["model"] = next((name for name in models if isinstance(name, str) and name), None)
    metadata["scenario"] = next((as_text(name) for name in scenarios if name not in (None, "")), None)
    return {key: value for key, value in metadata.items() if value is not None}


def _prompt(row: Mapping[str, Any]) -> list[Any]:
    """The prompt's messages: a chat in JSON or YAML, else the user's text."""
    prompt = row.get("prompt")
    raw = prompt.get("raw") if isinstance(prompt, Mapping) else prompt
    if isinstance(raw, str) and raw.lstrip().startswith("- "):
        raw = _yaml_chat(raw)
    if isinstance(raw, str):
        parsed = literal(raw)
        is_chat = isinstance(parsed, Mapping) or (isinstance(parsed, list) and any(is_message(m) for m in parsed))
        return asked(parsed) if is_chat else asked([{"role": "user", "content": raw}] if raw.strip() else None)
    return asked(raw)


def _yaml_chat(text: str) -> Any:
    """A chat written as YAML; any other text as it is."""
    import yaml  # here, so that reading anything else does not load it

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return value if isinstance(value, list) and value and all(is_message(item) for item in value) else text


def _answer(output: Any) -> list[Any]:
    return [message for answer in answered(output)[:1] for message in answer.messages]


def _histories(row: Mapping[str, Any], response: Mapping[str, Any], prompt: list[Any]) -> list[list[Any]]:
    """The turns of a red team, in place of prompt and output; a tree has several branches."""
    system = [message for message in prompt if message.get("role") in ("system", "developer")]
    for holder in (mapping(row.get("metadata")), mapping(response.get("metadata"))):
        for key in _HISTORIES:
            turns = objects(holder.get(key))
            if not turns:
                continue
            if key == "messages":
                return [_chat(turns, response)] if all(is_message(turn) for turn in turns) else []
            branches = _branches(turns) if key == "redteamTreeHistory" else [turns]
            return [[*system, *(message for turn in branch for message in _turn(turn))] for branch in branches]
    return []


def _chat(turns: list[Mapping[str, Any]], response: Mapping[str, Any]) -> list[Any]:
    """A history as a chat; the last answer is often not in it."""
    spoken = list(turns)
    return spoken if spoken[-1].get("role") == "assistant" else [*spoken, *_answer(response.get("output"))]


def _turn(turn: Mapping[str, Any]) -> list[Any]:
    question = as_text(turn.get("prompt"))
    said = [{"role": "user", "content": question}] if question.strip() else []
    return [*said, *_answer(turn.get("output"))]


def _branches(turns: list[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The paths from the root of a tree to each of its leaves; without parents, every turn is a branch."""
    by_id = {as_text(turn.get("id")): turn for turn in turns if turn.get("id") is not None}
    parents = {as_text(turn.get("parentId")) for turn in turns if turn.get("parentId") is not None}
    branches = []
    for turn in turns:
        if as_text(turn.get("id")) in parents and turn.get("id") is not None:
            continue
        path, seen, at = [turn], set[str](), as_text(turn.get("parentId"))
        while at in by_id and at not in seen:
            seen.add(at)
            path.append(by_id[at])
            at = as_text(by_id[at].get("parentId"))
        branches.append(path[::-1])
    return branches or [turns]


def _without_labels(output: Any) -> Any:
    """An answer without the words that set its reasoning apart."""
    match = _THINKING.match(output) if isinstance(output, str) else None
    return output if match is None else [match["thought"], match["text"]]


def _with_thinking(parts: list[Message]) -> list[Message]:
    """Reasoning that a provider wrote in front of the answer, apart from it."""
    if not parts or parts[-1].role != "assistant" or parts[-1].kind != "text":
        return parts
    match = _THINKING.match(parts[-1].text)
    if match is None:
        return parts
    thought = Message(role="assistant", kind="reasoning", text=match["thought"])
    text = [Message(role="assistant", kind="text", text=match["text"])] if match["text"].strip() else []
    return [*parts[:-1], thought, *text]


FORMAT = Format(
    name="promptfoo",
    parse=parse_promptfoo,
    fits=is_promptfoo,
    recognised_by="`evalId` and `results.results`; a row: `promptIdx` and `testIdx`",
    id="the row's id, else `<evalId>/<testIdx>/<promptIdx>`",
    model="`provider.id`",
    scenario="the test's description or `pluginId`, else `testIdx`",
    failures="`failureReason` 2 (a failed assertion is none); no word of the agent",
)
