"""Every real file is read, with the messages that a few lines of JSON count in it, or refused in one line."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from grader import read_transcripts
from grader.errors import InputError

Json = dict[str, Any]
# One number per transcript: how many messages the raw file holds.
Count = Callable[[Path], list[int]]


def lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def chat(message: Json) -> int:
    """Parts of a chat message that say or do something: blocks, or text and calls; an empty result is one too."""
    if message["role"] == "tool":
        return 1
    content = message.get("content") or ""
    said = [content] if isinstance(content, str) else [b.get("text", b.get("reasoning", "-")) for b in content]
    return sum(bool(part.strip()) for part in said) + len(message.get("tool_calls") or [])


def petri(path: Path) -> list[int]:
    events = json.loads(path.read_text())["events"]
    assert {event["edit"]["operation"] for event in events} == {"add"}  # no branches in these
    return [sum(chat(event["edit"]["message"]) for event in events if "target" in event["view"])]


def claude_code(path: Path) -> list[int]:
    session = lines(path) if path.suffix == ".jsonl" else json.loads(path.read_text())["loglines"]
    spoken = [line["message"]["content"] for line in session if line["type"] in ("user", "assistant")]
    return [sum(1 if isinstance(content, str) else len(content) for content in spoken)]


def swe_agent(path: Path) -> list[int]:
    n = 0
    for message in json.loads(path.read_text())["history"]:
        if message["role"] == "assistant" and "action" in message and not message.get("tool_calls"):
            n += bool(message["thought"].strip()) + bool(message["action"].strip())
        else:
            n += chat(message)
    return [n]


def tau_bench(path: Path) -> list[int]:
    return [sum(map(chat, run["traj"])) for run in json.loads(path.read_text())]


def privacylens(path: Path) -> list[int]:
    """The instruction, then each action and each observation."""
    texts = [record["trajectory"]["executable_trajectory"] for record in json.loads(path.read_text())]
    return [1 + len(re.findall(r"^[ \t]*(?:Action|Observation):", text, re.MULTILINE)) for text in texts]


def rjudge(path: Path) -> list[int]:
    """The profile, then what users and environments said, and each thought and each action."""
    fields = ("content", "thought", "action")
    turns = [list(chain.from_iterable(record["contents"])) for record in json.loads(path.read_text())]
    return [1 + sum(bool((turn.get(field) or "").strip()) for turn in own for field in fields) for own in turns]


def agentleak(path: Path) -> list[int]:
    """Two prompts per call, and what went over the channels."""
    traces = lines(path) if path.suffix == ".jsonl" else [json.loads(path.read_text())]
    return [2 * len(trace["llm_calls"]) + len(trace["channel_messages"]) for trace in traces]


def among_us(path: Path) -> list[int]:
    """Per player its role, then per step what it saw, remembered, thought and did."""
    text, at, counts = path.read_text(), 0, defaultdict(lambda: 1)
    while text[at:].strip():
        step, end = json.JSONDecoder().raw_decode(text[at:].lstrip())
        at = len(text) - len(text[at:].lstrip()) + end
        counts[step["player"]["name"]] += 1 + len(step["interaction"]["response"])
    return list(counts.values())


def lie_detector(path: Path) -> list[int]:
    return [sum(map(chat, record["messages"])) for record in lines(path)]


def dices(path: Path) -> list[int]:
    return [bool(record["context"].strip()) + bool(record["response"].strip()) for record in lines(path)]


def text_actions(path: Path) -> list[int]:
    return [record["response"].count("<tool_use:") for record in lines(path)]


def prose(path: Path) -> list[int]:
    """Text that says nothing of roles is one thing said; `<tool_use:email>` in it reads as done."""
    return [1 + path.read_text().count("<tool_use:")]


# How many files, and what they hold. Inspect's logs have their own test, in test_inspect_log.py.
READ: dict[str, tuple[int, Count]] = {
    "transcript_formats/petri_bloom_v3/*.json": (1, petri),
    "bloom_strategic_deception/*/transcript_v*.json": (42, petri),
    "transcript_formats/claude_code_session/sample_session.json*": (2, claude_code),
    "transcript_formats/swe_agent_traj/*.traj": (3, swe_agent),
    "transcript_formats/openai_tool_calls/*.json": (1, tau_bench),
    "transcript_formats/react_text/*.json": (1, privacylens),
    "rjudge/rjudge.json": (1, rjudge),
    "agentleak/raw_samples/*.json": (3, agentleak),
    "agentleak/traces_120.jsonl": (1, agentleak),
    "among_us/agent-logs.json": (1, among_us),
    "deception_lie_detector/items.jsonl": (1, lie_detector),
    "dices_350/dices_350.jsonl": (1, dices),
    "blackmail_frame_judge/dev_set1.jsonl": (1, text_actions),
    "README.md": (1, prose),
    "among_us/experiment-details.txt": (1, prose),
}
# What is no transcript file, and the reason that the refusal gives.
REFUSED = {
    "agentleak/messages.csv": "row 1: cannot tell the format",
    "bloom_strategic_deception/*/judgment.json": "cannot tell the format",
    "bloom_strategic_deception/*/rollout_*.json": "cannot tell the format",
    "bloom_strategic_deception/judge_summary.csv": "row 1: cannot tell the format",
    "deception_lie_detector/judge_verdicts.jsonl": "line 1: cannot tell the format",
    "dices_350/dices_350_ratings_wide.csv": "row 1: cannot tell the format",
    # Three models answered the same prompts, and an export has a row per annotation: ids repeat.
    "xstest/xstest_dev.csv": "transcript 451: id 'v2-1' is already that of",
    "label_studio_exports/generated/xstest_3raters/*_MIN*.json": "transcript 2: id '1' is already that of",
    "label_studio_exports/generated/xstest_3raters/*.?sv": "transcript 2: id '1' is already that of",
    "label_studio_exports/generated/dialogue_shapes/*.?sv": "row 1: cannot tell the format",
    "label_studio_exports/sdk_test_fixtures/*.csv": "row 1: cannot tell the format",
    "label_studio_exports/**/*.xml": "broken or cut JSON",
    "label_studio_exports/generated/dialogue_shapes/*.json": "cannot tell the format",
    "label_studio_exports/generated/xstest_3raters/export_JSON.json": "cannot tell the format",
    "label_studio_exports/generated/xstest_3raters/export_JSON_all_tasks.json": "cannot tell the format",
    "label_studio_exports/generated/xstest_3raters/[!e]*.json": "cannot tell the format",
    "label_studio_exports/sdk_test_fixtures/*.json": "cannot tell the format",
}
ELSEWHERE = ("**/LICENSE", "transcript_formats/inspect_eval_logs/*")


@pytest.mark.parametrize("pattern", READ)
def test_every_message_of_a_real_file_is_read(shared_data: Path, pattern: str) -> None:
    n_files, count = READ[pattern]
    paths = sorted(shared_data.glob(pattern))
    assert len(paths) == n_files
    for path in paths:
        assert [len(t.messages) for t in read_transcripts(path)] == count(path), path


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_no_transcript_file_is_refused_in_one_line(shared_data: Path, pattern: str) -> None:
    paths = sorted(shared_data.glob(pattern))
    assert paths
    for path in paths:
        with pytest.raises(InputError, match=REFUSED[pattern]) as refusal:
            list(read_transcripts(path))
        assert str(refusal.value).startswith(f"{path}: ")
        assert "\n" not in str(refusal.value)


def test_no_file_is_left_out(shared_data: Path) -> None:
    known = set(chain.from_iterable(shared_data.glob(pattern) for pattern in (*READ, *REFUSED, *ELSEWHERE)))
    assert {path for path in shared_data.rglob("*") if path.is_file()} - known == set()


def test_everything_that_was_said_reaches_the_grader(shared_data: Path) -> None:
    """Words, not only counts: whatever dialogues and chats say is in some message."""
    for record, transcript in zip(*_pairs(shared_data / "dices_350" / "dices_350.jsonl"), strict=True):
        assert [m.text.strip() for m in transcript.messages] == [record["context"].strip(), record["response"].strip()]
    for record, transcript in zip(*_pairs(shared_data / "deception_lie_detector" / "items.jsonl"), strict=True):
        said = "\n".join(m.text for m in transcript.messages)
        assert all(message["content"].strip() in said for message in record["messages"])
        assert transcript.metadata["evidence"] == record["evidence"]
        assert not record["evidence"] or record["evidence"] not in said  # it holds the answer


def _pairs(path: Path) -> tuple[list[Json], Iterator[Any]]:
    return lines(path), read_transcripts(path)
