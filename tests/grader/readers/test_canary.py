"""A word planted anywhere in a record ends in a message, in metadata, below a key that is named, or is refused."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader import read_transcripts
from grader.errors import InputError
from grader.readers import build, leaves
from grader.transcript import Transcript

WORD = "zqcanaryzq"
ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("HARMRATE_SAMPLES", ROOT.parent / "shared" / "samples"))
# Places tried in each file of the slow suite; `make test-full` tries 400.
PLACES = int(os.environ.get("HARMRATE_PLACES", "40"))
DATA = Path(os.environ.get("HARMRATE_DATA", ROOT.parent / "shared" / "data"))
SUFFIXES = (".json", ".jsonl", ".traj")

# What a reader leaves out as a whole record or object: bookkeeping of the tool, copies, and what no grader may see.
NAMED = {
    # Claude Code, stream-json: lines that are not talk, and what stands beside the message of a line
    "cwd", "gitBranch", "userType", "permissionMode", "apiKeySource", "subtype", "toolUseResult", "compactMetadata",
    "agentName", "lastPrompt", "customTitle", "summary", "agentType", "entries", "isMeta", "tools", "mcp_servers",
    # Codex: events repeat the items; facts of the session
    "approval_policy", "history_mode", "originator", "model_provider", "git", "last_agent_message", "cli_version",
    # benchmarks: expected answers, scores, submissions; what only the menu of a run shows
    "target", "doc", "filtered_resps", "filter", "config", "prompts", "model_patch", "model_name_or_path", "tasks",
    "scores", "results", "eval", "session_type", "conversation_manager_state",
    # a step that is told twice
    "trajectory", "observations", "execution_status", "observation_ids",
}  # fmt: skip
# The same in the files of one folder; ``a.b`` is b directly in a, ``.b`` a field of the record itself.
NAMED_IN = {
    "claude-code": {".content", ".error", ".result"},  # a boundary's words, a kind of error, the last text once more
    "codex": {".message", "payload.source", "item.tool", "item.arguments"},  # begun items are told again when complete
    "inspect_eval_logs": {"events", "transcript", "plan", "reductions", "attachments"},  # events repeat the messages
    "petri_bloom_v3": {"edit"},  # views of others than the target
    "openinference": {"attributes"},
}
# Files in which a record is superseded as a whole, or one that is not talk (isMeta, info) has a text of its own.
SUPERSEDED = ("inspect-retry", "inspect-dir/", "inspect-folder", "claude-code-rewind", "gemini-cli", "openhands")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    match value:
        case str() if value.strip():
            yield path
        case {"type": "ToolCallSummaryMessage"}:  # AutoGen repeats there what its calls returned
            return
        case dict():
            for key, child in value.items():
                yield from places(child, (*path, key))
        case list():
            for number, child in enumerate(value):
                yield from places(child, (*path, number))


def planted(value: Any, path: tuple[Any, ...]) -> Any:
    changed = at = copy.deepcopy(value)
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] += " " + WORD
    return changed


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, child in value.items():
                yield str(key)
                yield from texts(child)
        case list() | tuple():
            for child in value:
                yield from texts(child)


def where(transcripts: list[Transcript]) -> str | None:
    """Where the word is."""
    for transcript in transcripts:
        if any(WORD in text for m in transcript.messages for text in (m.text, m.name or "", *texts(m.arguments))):
            return "message"
    if any("unread" in t.metadata for t in transcripts):
        return "refused"
    if any(WORD in text for t in transcripts for text in (t.id, *texts(dict(t.metadata)))):
        return "metadata"
    return None


def documents(path: Path) -> tuple[list[Any], bool]:
    """The JSON values of a file, and whether they are its lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return [], False
    try:
        return [json.loads(text)], False
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()], True
    except ValueError:
        return [], True


def is_named(path: tuple[Any, ...], named: set[str]) -> bool:
    keys = [key for key in path if isinstance(key, str)]
    pairs = {f"{above}.{key}" for above, key in zip(["", *keys], keys, strict=False)}
    return any(leaves._is_frame(key) or key in named for key in keys) or not named.isdisjoint(pairs)


def lost(source: Path, folder: Path, named: set[str], n_tried: list[int], most: int) -> list[str]:
    """Paths of the words that went nowhere, of a file or a folder that is read as a whole."""
    copied = folder / source.name
    also = NAMED_IN.get(source.parent.name, set())
    if source.is_dir():
        shutil.copytree(source, copied)
    else:
        shutil.copy(source, copied)
    files = sorted(copied.rglob("*")) if copied.is_dir() else [copied]
    gone = []
    for file in (file for file in files if file.suffix in SUFFIXES):
        values, are_lines = documents(file)
        whole = file.read_bytes()
        every = [(i, path) for i, value in enumerate(values) for path in places(value)]
        for i, path in every if len(every) <= most else random.Random(0).sample(every, most):
            changed = [planted(value, path) if n == i else value for n, value in enumerate(values)]
            file.write_text("\n".join(map(json.dumps, changed)) if are_lines else json.dumps(changed[0]))
            n_tried[0] += 1
            try:
                if where(list(read_transcripts(copied))) is None and not is_named(path, named | also):
                    gone.append(f"{file.name}: {path}")
            except InputError:
                pass
        file.write_bytes(whole)
    return gone


def samples() -> list[Path]:
    """Samples of every format, each as it is to be read: a file, or a folder as a whole."""
    table = SAMPLES / "formats" / "EXPECTED.json"
    formats = [SAMPLES / "formats" / name for name in json.loads(table.read_text())["files"]] if table.exists() else []
    cases = sorted((SAMPLES / "cases" / "transcripts").rglob("*")) if SAMPLES.exists() else []
    return [*formats, *(path for path in cases if path.suffix in SUFFIXES)]


def real_files() -> list[Path]:
    names = ("rjudge/rjudge.json", "agentleak/traces_120.jsonl", "deception_lie_detector/items.jsonl")
    files = [*DATA.glob("transcript_formats/*/*"), *(DATA / name for name in names)]
    return [path for path in sorted(files) if path.suffix in SUFFIXES and path.stat().st_size < 3_000_000]


def all_lost(paths: list[Path], tmp_path: Path, named: set[str], most: int) -> tuple[list[str], int]:
    n_tried, gone = [0], []
    for number, source in enumerate(paths):
        if any(name in str(source) for name in SUPERSEDED):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        gone += [f"{source.name}/{path}" for path in lost(source, folder, named, n_tried, most)]
    return gone, n_tried[0]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The keys that readers name as no talk, collected while they read."""
    collected = set(NAMED)
    check = leaves.check_leaves

    def recorded(raw: Any, messages: Any, metadata: Any, named: frozenset[str] = frozenset()) -> None:
        collected.update(named)
        check(raw, messages, metadata, named)

    monkeypatch.setattr(build, "check_leaves", recorded)
    return collected


@pytest.mark.skipif(not SAMPLES.exists(), reason="no samples: set HARMRATE_SAMPLES")
@pytest.mark.parametrize("most", [8, pytest.param(PLACES, marks=pytest.mark.slow)])
def test_no_word_of_any_sample_is_lost(tmp_path: Path, named: set[str], most: int) -> None:
    gone, n_tried = all_lost(samples(), tmp_path, named, most)
    assert gone == [] and n_tried > 100 * most**0.5


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="no real data: set HARMRATE_DATA")
def test_no_word_of_a_real_file_is_lost(tmp_path: Path, named: set[str]) -> None:
    gone, n_tried = all_lost(real_files(), tmp_path, named, PLACES)
    assert gone == [] and n_tried > 200


def test_a_reader_that_drops_a_field_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken on purpose: the reply is left out, and the record is refused with its path."""
    monkeypatch.setattr("grader.readers.formats.chat.replies_of", lambda record: [])
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "user", "content": "Hi"}], "completion": "I leaked it"}))
    with pytest.raises(InputError, match="completion: a text that this format does not explain"):
        list(read_transcripts(path))
