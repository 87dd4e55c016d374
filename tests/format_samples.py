"""Samples of log formats, with what is right for each (``EXPECTED.json``), and what becomes of damaged copies."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from readers_mutations import Seed, mutants

from grader import InputError, Transcript, read_transcripts

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = Path(os.environ.get("HARMRATE_SAMPLES", ROOT.parent / "shared" / "samples"))
SECONDS = 20  # for a file of some kilobytes

# Damaged copies of each format in the slow suite; `make test-full` makes 10,000.
MANY = int(os.environ.get("HARMRATE_DAMAGES", "1000"))


def expected_samples(*formats: str) -> list[Any]:
    """Parameters ``(path, expectation)`` for every sample of these formats; a skipped one where there are none."""
    table = SAMPLES / "formats" / "EXPECTED.json"
    if not table.is_file():
        reason = f"no samples: {table} does not exist (set HARMRATE_SAMPLES)"
        return [pytest.param(SAMPLES, {}, marks=pytest.mark.skip(reason=reason))]
    files = json.loads(table.read_text())["files"]
    chosen = {name: value for name, value in files.items() if name.split("/")[0] in formats}
    return [pytest.param(SAMPLES / "formats" / name, value, id=name) for name, value in chosen.items()]


def assert_as_expected(path: Path, expectation: dict[str, Any]) -> None:
    """Read a sample; it must have exactly the expected transcripts, in any order."""
    transcripts = list(read_transcripts(path))
    left = list(transcripts)
    for one in expectation["transcripts"]:
        best = min(left, key=lambda transcript: len(differences(transcript, one)), default=None)
        assert best is not None, "a transcript is missing"
        assert differences(best, one) == []
        left.remove(best)
    assert left == []
    if len(transcripts) > 1 and any("episode" in one for one in expectation["transcripts"]):
        assert len({transcript.metadata.get("episode") for transcript in transcripts} - {None}) == 1


def differences(transcript: Transcript, one: dict[str, Any]) -> list[str]:
    """In what a transcript is not as expected."""
    messages = [m for m in transcript.messages if m.text.strip() or m.kind in ("tool_call", "tool_result")]
    seen = [(m.role, m.kind) for m in messages]
    told = [] if seen == [(m["role"], m["kind"]) for m in one["messages"]] else [f"messages {seen}"]
    for message, wanted in zip(messages, one["messages"], strict=False):
        if wanted["contains"] not in message.text or message.name != wanted.get("name", message.name):
            told.append(f"{message} is not {wanted}")
    facts = transcript.metadata
    if bool(facts.get("provider_error")) != one["failed"]:
        told.append(f"failed: {facts.get('provider_error')!r}")
    for key in ("model", "scenario", "epoch"):
        if one.get(key) is not None and facts.get(key) != one[key]:
            told.append(f"{key}: {facts.get(key)!r}")
    if one.get("limit") and not facts.get("limit"):
        told.append("no limit")
    if one.get("id") and transcript.id != one["id"]:
        told.append(f"id: {transcript.id!r}")
    return told + [f"shows {word!r}" for word in one.get("absent", ()) if any(word in m.text for m in messages)]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail what takes longer."""

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(path: Path, format: str = "auto") -> str:
    """``read``, ``failed`` (some run has no words, or could not be read) or ``refused`` in one line; nothing else."""
    try:
        with at_most(SECONDS):
            transcripts = list(read_transcripts(path, format=format))
    except InputError as refusal:
        assert "\n" not in str(refusal)
        return "refused"
    for transcript in transcripts:
        json.dumps(transcript.to_dict(), allow_nan=False).encode()
        assert transcript.id and transcript.content_hash
        assert transcript.messages or transcript.metadata.get("provider_error") or transcript.metadata.get("unread")
    return "read" if all(transcript.messages for transcript in transcripts) else "failed"


def damage(sample: Path, name: str, number: int, folder: Path) -> Counter[str]:
    """Outcomes of so many damaged copies of the files of a format, read by name."""
    rng = random.Random(number)
    files = sorted(file for file in sample.rglob("*.json*") if file.is_file())
    copy = shutil.copytree(sample, folder / "copy")
    tally: Counter[str] = Counter()
    for at in range(number):
        file = copy / files[at % len(files)].relative_to(sample)
        sound = file.read_bytes()
        (data,) = mutants(Seed(file.name, sound), 1, rng)
        file.write_bytes(data)
        tally[outcome(file, rng.choice((name, "auto")))] += 1
        file.write_bytes(sound)
    return tally


def damage_parameters(*formats: str) -> list[Any]:
    """Parameters ``(folder, format, number)``: few damaged files in every suite, many in the slow one."""
    numbers = (200, pytest.param(MANY, marks=pytest.mark.slow))
    if not (SAMPLES / "formats").is_dir():
        reason = f"no samples: {SAMPLES / 'formats'} does not exist (set HARMRATE_SAMPLES)"
        return [pytest.param(SAMPLES, "", 0, marks=pytest.mark.skip(reason=reason))]
    return [
        pytest.param(
            SAMPLES / "formats" / name,
            name,
            number if isinstance(number, int) else number.values[0],
            id=f"{name}-{number if isinstance(number, int) else number.values[0]}",
            marks=() if isinstance(number, int) else number.marks,
        )
        for name in formats
        for number in numbers
    ]
