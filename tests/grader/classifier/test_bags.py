"""Embeddings survive a crash, and what is remembered between chunks has a limit."""

import subprocess
import sys

import numpy as np
import pytest

from grader.classifier import bags as module
from grader.classifier import segments
from grader.classifier.bags import CHUNK, Bagger, chunks
from grader.store.store import Store
from grader.transcript import Message, Transcript

from .conftest import WordEncoder, transcript

KEPT = 16

KILLED = """
import os, signal, sys
from grader.classifier import bags
from grader.store.store import Store
from tests.grader.classifier.conftest import WordEncoder, transcript

class Killed(WordEncoder):
    def encode(self, texts):
        if len(self.encoded) >= 3 * {kept}:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(texts)

bags._KEPT_TOGETHER = {kept}
bags.Bagger(Killed(), Store(sys.argv[1])).bags([transcript(i, f"mail {{i}}") for i in range(100)])
"""


def test_a_kill_while_embedding_loses_only_the_vectors_in_work(tmp_path, monkeypatch):
    file = tmp_path / "store.sqlite"
    done = subprocess.run([sys.executable, "-c", KILLED.format(kept=KEPT), str(file)], check=False, timeout=120)
    assert done.returncode == -9
    transcripts = [transcript(i, f"mail {i}") for i in range(100)]
    monkeypatch.setattr(module, "_KEPT_TOGETHER", KEPT)
    with Store(file) as store:
        again = WordEncoder()
        found = Bagger(again, store).bags(transcripts)
        assert len(found.table.texts) - len(again.encoded) == 3 * KEPT
    undisturbed = Bagger(WordEncoder()).bags(transcripts)
    assert found.table.texts == undisturbed.table.texts
    assert (found.table.vectors == undisturbed.table.vectors).all()


def test_long_transcripts_come_in_smaller_chunks():
    long = [Transcript(id=str(i), messages=(Message(role="user", kind="text", text="x" * 10**6),)) for i in range(10)]
    found = list(chunks(long))
    assert [len(chunk) for chunk in found] == [4, 4, 2]
    assert [t.id for chunk in found for t in chunk] == [t.id for t in long]
    assert [len(chunk) for chunk in chunks(transcript(i, "x") for i in range(CHUNK + 1))] == [CHUNK, 1]


@pytest.mark.parametrize("limit", [30, 10_000])
def test_what_is_remembered_has_a_limit_and_shared_prompts_stay(monkeypatch, limit):
    monkeypatch.setattr(module, "_REMEMBERED", limit)
    monkeypatch.setattr(segments, "_REMEMBERED", limit)
    encoder = WordEncoder()
    bagger = Bagger(encoder)
    prompt = {s.text for s in bagger.bags([transcript(0, "first")]).segments[0] if s.message == 0}
    for k in range(1, 40):
        found = bagger.bags([transcript(2 * k, f"mail {2 * k}"), transcript(2 * k + 1, f"mail {2 * k + 1}")])
        assert len(bagger._remembered) <= max(limit, len(found.table.texts))
        assert len(bagger._segmenter._windows) <= max(limit, 2 * 3) + 2 * 3
        expected = WordEncoder().encode(found.table.texts)
        assert np.array_equal(found.table.vectors, expected)
    assert prompt and prompt <= set(encoder.encoded)
    assert len(set(encoder.encoded)) == len(encoder.encoded), "embedded once, whatever else was forgotten"
