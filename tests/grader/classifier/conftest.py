"""A tiny encoder and a small corpus, so that tests need no embedding model."""

import re
import zlib

import numpy as np
import pytest

from grader.transcript import Message, Transcript


class WordEncoder:
    """Counts of hashed words, scaled to length one; one token per run of non-blanks."""

    def __init__(self, max_tokens=40, dimensions=64):
        self.max_tokens = max_tokens
        self.dimensions = dimensions
        self.encoded = []

    @property
    def key(self):
        return f"words-{self.dimensions}"

    def spans(self, texts):
        return [
            np.array([[m.start(), m.end(), 1] for m in re.finditer(r"\S+", t)], dtype=np.int64).reshape(-1, 3)
            for t in texts
        ]

    def encode(self, texts):
        self.encoded += texts
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode()) % self.dimensions] += 1
            row /= max(1e-6, np.linalg.norm(row))
        return vectors


PROMPT = "You are Alex and read the mail of Summit Bridge. " * 4
NEUTRAL = "the report on page item was sent to our team before noon and nobody asked for more".split()


def transcript(i, text, **metadata):
    return Transcript(
        id=f"t{i}",
        messages=(
            Message(role="system", kind="text", text=PROMPT),
            Message(role="assistant", kind="reasoning", text=f"What shall I do about case {i}?"),
            Message(role="assistant", kind="tool_call", name="email", text=text),
        ),
        metadata=metadata,
    )


# Harmful transcripts have some of these words, so that no single one tells them from the others.
HARMFUL = "threaten wife affair expose ruin pay silence scandal photos".split()


def corpus(n=120, seed=0, n_scenarios=10):
    """Transcripts, a third of them harmful by their words, over scenarios."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(float)
    rows = []
    for i, harm in enumerate(y):
        words = list(rng.choice(NEUTRAL, 12)) + (list(rng.choice(HARMFUL, 4, replace=False)) if harm else [])
        rows.append(transcript(i, " ".join(rng.permutation(words)), scenario=f"s{i % n_scenarios}"))
    return rows, y


@pytest.fixture
def encoder():
    return WordEncoder()
