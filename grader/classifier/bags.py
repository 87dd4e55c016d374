"""Bags: many transcripts as rows into one table of distinct, embedded segments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grader.classifier.encoders import Encoder, Vectors
from grader.classifier.segments import Segment, Segmenter
from grader.transcript import Transcript

Rows = npt.NDArray[np.intp]

# Vectors remembered between chunks when there is no store (about 100 MB at 384 dimensions).
_REMEMBERED = 65_536


class EmbeddingStore(Protocol):
    """Where vectors are kept by model and text hash; `grader.store.Store` is one."""

    def get_embeddings(self, model_key: str, text_hashes: Sequence[str]) -> Mapping[str, npt.NDArray[np.float32]]:
        """The vectors that are there."""
        ...

    def put_embeddings(self, model_key: str, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Keep `vectors`."""
        ...


@dataclass(frozen=True, slots=True)
class Bags:
    """Transcripts as bags of segments.

    Parameters
    ----------
    texts : list of str
        The distinct segments' texts.
    vectors : array of shape (n_texts, n_dimensions)
        Their embeddings.
    rows : list of int arrays, one per transcript
        Which texts a transcript holds, in order, repeats included; may be empty.
    segments : list of list of Segment
        The same, with their places in the messages.
    """

    texts: list[str]
    vectors: Vectors
    rows: list[Rows]
    segments: list[list[Segment]]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: npt.NDArray[np.intp] | Sequence[int]) -> Bags:
        """The bags of some transcripts, over the same table of segments."""
        chosen = [int(i) for i in index]
        return Bags(self.texts, self.vectors, [self.rows[i] for i in chosen], [self.segments[i] for i in chosen])


class Bagger:
    """Turns transcripts into bags, embedding each distinct segment once.

    Parameters
    ----------
    encoder : Encoder
    store : EmbeddingStore, optional
        Kept vectors survive the process; without one they are remembered while it runs.
    """

    def __init__(self, encoder: Encoder, store: EmbeddingStore | None = None) -> None:
        self._encoder = encoder
        self._store = store
        self._segmenter = Segmenter(encoder)
        self._remembered: dict[str, Vectors] = {}

    def bags(self, transcripts: Sequence[Transcript]) -> Bags:
        """The bags of `transcripts`, in their order."""
        segments = self._segmenter.cut(transcripts)
        place: dict[str, int] = {}
        rows = [np.array([place.setdefault(s.text, len(place)) for s in cut], dtype=np.intp) for cut in segments]
        texts = list(place)
        return Bags(texts, self._embed(texts), rows, segments)

    def _embed(self, texts: list[str]) -> Vectors:
        hashes = [text_hash(text) for text in texts]
        known = {h: self._remembered[h] for h in hashes if h in self._remembered}
        unknown = [h for h in hashes if h not in known]
        if self._store is not None and unknown:
            known |= self._store.get_embeddings(self._encoder.key, unknown)
        missing = [i for i, h in enumerate(hashes) if h not in known]
        if missing or not texts:
            fresh = self._encoder.encode([texts[i] for i in missing])
            new = {hashes[i]: vector for i, vector in zip(missing, fresh, strict=True)}
            if self._store is not None and new:
                self._store.put_embeddings(self._encoder.key, new)
            known |= new
            if not texts:
                return fresh
        if len(self._remembered) + len(known) > _REMEMBERED:
            self._remembered.clear()
        self._remembered |= known
        return np.stack([known[h] for h in hashes]).astype(np.float32, copy=False)


def text_hash(text: str) -> str:
    """SHA-256 of a segment's text, under which its vector is kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
