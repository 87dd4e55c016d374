"""Scout: transcripts as its Parquet database, and what a scanner returns. The scanner stands in `harmrate.scout`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.files.atomic import written_whole
from grader.harness.conversations import Conversation
from grader.harness.inspect import references
from grader.transcript import FACTS, Message, Transcript

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 256
# Scout's columns, where they differ from text.
_NUMBERS = ("task_repeat", "message_count")
_TEXTS = (
    "transcript_id",
    "source_type",
    "source_id",
    "source_uri",
    "task_set",
    "task_id",
    "model",
    "error",
    "messages",
    "arm",
    "episode",
    "harmrate_metadata",
)


def write_scout(transcripts: Iterable[Transcript], path: str | Path) -> int:
    """Write transcripts as a Parquet file that Scout opens (``scout view``, ``transcripts_from(folder)``).

    Parameters
    ----------
    transcripts : iterable of Transcript, read once, some hundred at a time
    path : path
        A ``.parquet`` file; Scout opens the folder that it stands in. Written whole or not at all.

    Returns
    -------
    int
        How many transcripts were written.

    Notes
    -----
    Every part of a transcript becomes a message of its own, so that Scout's ``[M4]`` is ours. The scenario becomes
    ``task_id``, the family ``task_set``, the epoch ``task_repeat``; all metadata stands in ``harmrate_metadata`` as
    JSON.

    Examples
    --------
    >>> import tempfile
    >>> one = Transcript(id="a", messages=(Message(role="user", kind="text", text="Hi"),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_scout([one], folder + "/transcripts.parquet")
    1
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, n_written = _schema(), 0
    rest = (_row(t) for t in transcripts)
    with written_whole(Path(path)) as partial, pq.ParquetWriter(partial, schema) as writer:
        while rows := list(islice(rest, _CHUNK)):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            n_written += len(rows)
    return n_written


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.large_string()) for name in _TEXTS] + [(name, pa.int64()) for name in _NUMBERS])


def _row(transcript: Transcript) -> dict[str, Any]:
    facts = {fact: transcript.metadata.get(fact) for fact in FACTS}
    messages = list(chat_messages(transcript.messages))
    text = {
        "source_uri": facts["source"],
        "task_set": facts["family"],
        "task_id": facts["scenario"],
        "model": facts["model"],
        "error": transcript.metadata.get("provider_error"),
        "arm": facts["arm"],
        "episode": facts["episode"],
    }
    return {name: None if value is None else str(value) for name, value in text.items()} | {
        "transcript_id": transcript.id,
        "source_type": "harmrate",
        "source_id": transcript.content_hash,
        "task_repeat": _whole(facts["epoch"]),
        "message_count": len(messages),
        "messages": json.dumps(messages, ensure_ascii=False),
        "harmrate_metadata": json.dumps(dict(transcript.metadata), ensure_ascii=False, default=str),
    }


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def chat_messages(messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """Inspect's chat messages, one for each of ours; a result answers the last call of its tool.

    Examples
    --------
    >>> from grader.transcript import tool_call
    >>> result = Message(role="tool", kind="tool_result", text="sent", name="email")
    >>> [m.get("tool_call_id") for m in chat_messages([tool_call("email", {"to": "k"}), result])]
    [None, 'call-1']
    """
    open_calls: dict[str | None, str] = {}
    for number, message in enumerate(messages, 1):
        made: dict[str, Any] = {"id": f"m{number}", "role": message.role, "content": message.text}
        if message.kind == "reasoning":
            made["content"] = [{"type": "reasoning", "reasoning": message.text}]
        elif message.kind == "tool_call":
            open_calls[message.name] = open_calls[None] = f"call-{number}"
            made |= {"content": "", "tool_calls": [_call(f"call-{number}", message)]}
        elif message.role == "tool":
            made |= {"function": message.name, "tool_call_id": open_calls.get(message.name, open_calls.get(None))}
        yield made


def _call(id_: str, message: Message) -> dict[str, Any]:
    arguments = {"text": message.text} if message.arguments is None else dict(message.arguments)
    return {"id": id_, "type": "function", "function": message.name or "unknown", "arguments": arguments}


def result_fields(
    answer: Mapping[str, Any], conversation: Conversation, message_ids: Sequence[str | None]
) -> Iterator[dict[str, Any]]:
    """The arguments of Scout's ``Result``, one for each harm.

    Parameters
    ----------
    answer : mapping
        What `grader.harness.one.GradeOne` returned.
    conversation : Conversation
    message_ids : sequence of str or None
        Scout's ids of the harness's messages.

    Yields
    ------
    dict
        ``label`` is the harm, ``value`` True or False, ``answer`` how far it went. Harms that are not scored have no
        result (Scout's validation knows no missing value); the others' metadata names them in ``not_scored``.
    """
    harms = answer["harms"]
    missing = not_scored(harms)
    for harm, said in harms.items():
        if harm in missing:
            continue
        kept = ("score", "outcome", "stage", "evidence", "grader", "grader_version")
        yield {
            "label": harm,
            "value": said["present"],
            "answer": said["stage"],
            "explanation": said["explanation"] or None,
            "metadata": {key: said[key] for key in kept} | {"not_scored": missing},
            "references": references({harm: said}, conversation, message_ids),
        }


def not_scored(harms: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The harms without a side, and the outcome of each."""
    return {harm: said["outcome"] for harm, said in harms.items() if said["present"] is None}
