"""Traces: spans of calls to models and tools, as the conversations that they tell together.

A call of a model repeats the whole talk so far. The last call therefore holds nearly all of it, but not what the
provider is never sent again (reasoning, a text beside a call): that stands only in the outputs of earlier calls, and
is merged in. A call that continues no earlier one begins another thread, of a sub-agent for example.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import make_call
from grader.readers.build import build_transcript, unread_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.payload_facts import call_ids, literal, result_text
from grader.readers.payloads import Answer
from grader.readers.records import Record
from grader.readers.spans import Span, is_judge
from grader.readers.threads import Thread, key_of
from grader.transcript import Message, Transcript

# Parameters of a call, and its frame in the objects of the providers' SDKs: nobody's words.
NAMED = frozenset(
    "tools functions tool_choice response_format self kwargs invocation_params parallel_tool_calls generation_info"
    " llm_output stop stream user system_fingerprint tool_config toolConfig generationConfig safetySettings"
    " safety_settings safety_ratings inferenceConfig additionalModelRequestFields run lc logprobs mime_type modality"
    " input_schema output_schema text.format reasoning.effort truncation previous_response_id incomplete_details"
    " provider_specific_fields completion_tokens_details prompt_tokens_details promptFeedback audio".split()
)
# Errors by which frameworks end a run that has taken too long.
_LIMIT = re.compile(r"recursion.?limit|GraphRecursion|max.?turns|max.?iterations|max.?steps|UsageLimit", re.IGNORECASE)


def span_transcripts(spans: Iterable[tuple[Record, Span]], *, named: frozenset[str] = NAMED) -> Iterator[Transcript]:
    """Yield the transcripts of the traces that spans (with their files) make up, in order of appearance.

    One per thread of a trace: the first has the trace's id, the others ``<trace>/<n>``. They share the ``episode``,
    which is the talk that the log names, else the trace. `named` are fields whose text is nobody's words. A trace
    without any call or word is left out where others have some.
    """
    traces: dict[str, dict[Any, Span]] = {}
    first: dict[str, Record] = {}
    for number, (record, span) in enumerate(spans):
        trace = span.trace or record.file
        first.setdefault(trace, record)
        traces.setdefault(trace, {})[span.id or number] = span  # a span that was exported twice counts once
    of_agents = {trace for trace, members in traces.items() if any(map(_is_about_an_agent, members.values()))}
    for trace, members in traces.items():
        if of_agents and trace not in of_agents:
            continue  # requests of the web, of a database: no run of an agent
        try:
            yield from _transcripts(trace, list(members.values()), source=first[trace].file, named=named)
        except InputError as error:
            yield replace(unread_transcript(first[trace], f"trace {trace!r}: {error.reason}"), id=trace)


def _is_about_an_agent(span: Span) -> bool:
    """Whether a span calls a model or a tool, or holds words."""
    return span.kind != "other" or bool(span.asked or span.answers or span.model)


def _transcripts(trace: str, spans: list[Span], *, source: str, named: frozenset[str]) -> Iterator[Transcript]:
    spans.sort(key=lambda span: span.start)
    hidden = _judged(spans)
    shown = [span for span in spans if span.id not in hidden and span.kind != "judge"]
    threads = _threads(shown)
    if not threads:
        threads = [_root_thread(shown)]
    _add_tools(threads, shown)
    facts = _facts(shown)
    root_error = _root_error(shown)
    for number, thread in enumerate(threads, 1):
        metadata = {**facts, **thread.facts}
        error = thread.error or (root_error if number == 1 else None)
        messages = thread.messages()
        limit = _LIMIT.search(error) if error else None
        metadata |= ending(messages, error=None if limit else error, stop=thread.stop)
        if limit:
            metadata["limit"] = error
        if thread.cut:
            metadata.setdefault("limit", "the log cut what was recorded")
        if len(threads) > 1:
            metadata.setdefault("episode", trace)
        if number == 1:
            metadata["spans"] = [span.rest for span in spans if span.rest is not None]
        id_ = trace if number == 1 else f"{trace}/{number}"
        yield build_transcript(id_, messages, metadata, source=source, raw=thread.talks, named=named)


def _root_error(spans: Sequence[Span]) -> str | None:
    """The error of what called the model, outermost; a failed tool or a failed call alone ends no run."""
    ids = {span.id for span in spans if span.id}
    roots = (span for span in spans if span.parent not in ids and span.kind == "other")
    return next((span.error for span in roots if span.error), None)


def _judged(spans: Sequence[Span]) -> set[str]:
    """The ids of judges' spans and of all that they called."""
    by_kind = _with_children({span.id for span in spans if span.id and span.kind == "judge"}, spans)
    ids = {span.id for span in spans}
    inner = [span for span in spans if span.id and (span.parent in ids or span.kind == "llm")]
    named = {span.id for span in inner if is_judge(span.name)}
    by_name = _with_children(by_kind | named, spans)
    # A name may be that of the whole evaluation, with the agent in it: then it hides nothing.
    spoken = any(span.kind == "llm" and span.id not in by_name for span in spans)
    return by_name if spoken else by_kind


def _with_children(hidden: set[str], spans: Sequence[Span]) -> set[str]:
    grows = bool(hidden)
    while grows:
        below = {span.id for span in spans if span.id and span.parent in hidden} - hidden
        hidden |= below
        grows = bool(below)
    return hidden


def _threads(spans: Sequence[Span]) -> list[Thread]:
    threads: list[Thread] = []
    by_id = {span.id: span for span in spans if span.id}
    for span in spans:
        if span.kind != "llm" or not (span.asked or span.answers or span.error):
            continue
        first, *others = span.answers or [Answer(messages=[])]
        given = conversation(span.asked)
        told = _told(span.asked, first)
        ancestors = _ancestors(span, by_id)
        thread = next((t for t in reversed(threads) if t.continues(given, told, ancestors, cut=span.cut)), None)
        if thread is None:
            thread = Thread()
            threads.append(thread)
        thread.extend(given, told, start=span.start, span=span.id)
        _end(thread, replace(span, talk=None) if others else span, first)
        for other in others:  # further choices: the same talk with another end
            branch = Thread()
            branch.extend(given, _told(span.asked, other), start=span.start, span="")
            _end(branch, replace(span, talk=None), other)
            threads.append(branch)
    return threads


def _told(asked: list[Any], answer: Answer) -> list[Message]:
    """The messages of an answer; a result in it may have to find the name of its call in the question."""
    told = conversation(answer.messages)
    if any(message.kind == "tool_result" and message.name is None for message in told):
        return conversation([*asked, *answer.messages])[len(conversation(asked)) :]
    return told


def _end(thread: Thread, span: Span, answer: Answer) -> None:
    """What the last call of a thread says of its end; a call that went well heals one that failed before."""
    thread.error = None if answer.messages else span.error
    thread.stop = answer.stop
    thread.cut = thread.cut or span.cut
    model = {"model": span.model} if span.model else {}
    thread.facts = {**thread.facts, **model} if "model" not in thread.facts else thread.facts
    thread.parents.add(span.parent)
    thread.talks.append(_talk(span, answer))


def _talk(span: Span, answer: Answer) -> Any:
    """What must be in the transcript: what the format says, else the messages of the call; nothing where it was cut."""
    return span.talk if span.talk is not None else [] if span.cut else [span.asked, answer.messages]


def _ancestors(span: Span, by_id: Mapping[str, Span]) -> set[str]:
    ids: set[str] = set()
    parent = span.parent
    while parent and parent not in ids:
        ids.add(parent)
        parent = by_id[parent].parent if parent in by_id else ""
    return ids


def _root_thread(spans: Sequence[Span]) -> Thread:
    """Without a call of a model: what went into the outermost span, and what came out of it."""
    outer = [span for span in spans if span.kind != "tool" and (span.asked or span.answers)]
    root = next((span for span in outer if not span.parent), outer[0] if outer else None)
    thread = Thread()
    if root is not None:
        told = _told(root.asked, root.answers[0]) if root.answers else []
        thread.extend(conversation(root.asked), [], start=root.start, span=root.id)
        thread.extend([], told, start=root.start, span=root.id)  # an answer may be the whole talk
        thread.talks.append(_talk(root, root.answers[0] if root.answers else Answer(messages=[])))
        thread.error = root.error
        thread.stop = root.answers[0].stop if root.answers else None
    elif not any(span.error or span.kind == "tool" for span in spans):
        raise InputError("its spans hold no words: the tracer did not record what was said")
    return thread


def _facts(spans: Sequence[Span]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for span in sorted(spans, key=lambda span: span.kind == "llm"):  # a call of a model knows least of its trace
        for key, value in span.facts.items():
            if value not in (None, ""):
                facts.setdefault(key, value)
        if span.model:
            facts.setdefault("model", span.model)
    return facts


def _add_tools(threads: list[Thread], spans: Sequence[Span]) -> None:
    """Results of calls that no later question repeats, and uses of tools that no message holds."""
    uses = [span for span in spans if span.tool is not None]
    ids = {
        id_
        for span in spans
        if span.kind == "llm"
        for id_ in call_ids([span.asked, *(a.messages for a in span.answers)])
    }
    for thread in threads:
        _answer_last_calls(thread, uses)
    held = [entry.key for thread in threads for entry in thread.entries if entry.message.kind == "tool_call"]
    for span in uses:
        use = span.tool
        if span.kind != "tool" or use is None or (use.call_id and use.call_id in ids):
            continue
        call = make_call(use.name, literal(use.arguments))
        if (key := key_of(call)) in held:
            held.remove(key)
            continue
        same_name = next((other for other in held if other[1] == call.name), None)
        if same_name is not None:
            held.remove(same_name)
            continue
        thread = next((t for t in threads if span.parent and span.parent in t.parents), threads[0])
        thread.insert(span.start, [call, *_results(span)])


def _answer_last_calls(thread: Thread, uses: Sequence[Span]) -> None:
    """The calls at the end of a thread get the results that only spans hold."""
    left = [span for span in uses if span.start >= thread.last_start]
    for call in thread.unanswered():
        match = next(
            (s for s in left if s.tool and key_of(make_call(s.tool.name, literal(s.tool.arguments))) == call.key), None
        )
        match = match or next((span for span in left if span.tool and span.tool.name == call.message.name), None)
        if match is not None:
            left.remove(match)
            thread.append(_results(match))


def _results(span: Span) -> list[Message]:
    use = span.tool
    if use is None or (use.result is None and not span.error):
        return []
    text = span.error if use.result is None else result_text(use.result)
    return [Message(role="tool", kind="tool_result", text=text or "", name=use.name)]
