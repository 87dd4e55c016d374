"""Damaged files end in transcripts or in one line that says what is wrong; nothing else, and soon."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from readers_mutations import Seed, made_seeds, mutants, seeds

from grader import read_transcripts
from grader.errors import InputError

SECONDS = 20  # for a file of at most some hundred kilobytes


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


def outcome(path: Path) -> str:
    """Read a file whole: ``read`` or ``refused``; whatever is read can be written again and hashed."""
    try:
        with at_most(SECONDS):
            for transcript in read_transcripts(path):
                json.dumps(transcript.to_dict(), allow_nan=False).encode()
                assert transcript.id.encode() and transcript.content_hash
    except InputError as refusal:
        assert str(refusal).startswith(str(path)) or str(refusal).startswith("no transcript in ")
        assert "\n" not in str(refusal)
        return "refused"
    return "read"


def run(sound: list[Seed], number: int, seed: int, folder: Path) -> dict[str, int]:
    """Outcomes of `number` damaged files, spread evenly over the sound ones."""
    rng = random.Random(seed)
    tally = {"read": 0, "refused": 0}
    for at in range(number):
        for data in mutants(sound[at % len(sound)], 1, rng):
            path = folder / Path(sound[at % len(sound)].name).name
            path.write_bytes(data)
            tally[outcome(path)] += 1
    return tally


def test_seeds_of_every_format_are_read(tmp_path: Path) -> None:
    for seed in made_seeds():
        path = tmp_path / Path(seed.name).name
        path.write_bytes(seed.data)
        assert outcome(path) == "read", seed.name


@pytest.mark.parametrize("number", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_files(shared_data: Path, tmp_path: Path, number: int) -> None:
    tally = run([*seeds(shared_data), *made_seeds()], number, number, tmp_path)
    assert sum(tally.values()) == number
    assert tally["read"] > number / 10 and tally["refused"] > number / 10  # the damage is neither nothing nor all
