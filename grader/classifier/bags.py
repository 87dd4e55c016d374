"""Bags: many transcripts as rows into one table of distinct, embedded segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from grader.classifier.encoders import Encoder, Vectors
from grader.classifier.segments import Segment, Segmenter, text_hash
from grader.transcript import Transcript

Rows = npt.NDArray[np.intp]
# Whose words: everyone's, the agent's own, those of the agent's last message, or all but the agent's.
Part = Literal["all", "agent", "last", "context"]

# Vectors remembered between chunks, for what transcripts share (about 30 MB at 384 dimensions).
_REMEMBERED = 16_384
# Vectors handed to the store at once: what a crash costs at most.
_KEPT_TOGETHER = 2_048
# Transcripts embedded together while grading: enough to fill batches, and flat memory, also where they are long.
CHUNK = 256
_CHARACTERS = 4_000_000
# Places for hashed words and word pairs: few share one, and a head's weights are a megabyte.
_N_PLACES = 2**17


class EmbeddingStore(Protocol):
    """Where vectors are kept by model and text hash; `grader.store.store.Store` is one."""

    def get_embeddings(self, model_key: str, text_hashes: Sequence[str]) -> Mapping[str, npt.NDArray[np.float32]]:
        """The vectors that are there."""
        ...

    def put_embeddings(self, model_key: str, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Keep `vectors`."""
        ...


class Table:
    """The distinct segments of some transcripts.

    Parameters
    ----------
    texts : list of str
    vectors : array of shape (n_texts, n_dimensions)
        Their embeddings.
    """

    def __init__(self, texts: list[str], vectors: Vectors) -> None:
        self.texts = texts
        self.vectors = vectors

    @cached_property
    def words(self) -> Any:
        """Counts of words and word pairs, hashed (no vocabulary to learn or save): sparse, (n_texts, 131072)."""
        from scipy.sparse import csr_array
        from sklearn.feature_extraction.text import HashingVectorizer

        if not self.texts:  # which the vectorizer refuses
            return csr_array((0, _N_PLACES))
        counter = HashingVectorizer(n_features=_N_PLACES, ngram_range=(1, 2), alternate_sign=False, norm=None)
        return counter.transform(self.texts)


@dataclass(frozen=True, slots=True)
class Bags:
    """Transcripts as bags of segments.

    Parameters
    ----------
    table : Table
        The distinct segments.
    rows : list of int arrays, one per transcript
        Which segments of the table a transcript holds, in order, repeats included; may be empty.
    segments : list of list of Segment
        The same, with their places in the messages.
    """

    table: Table
    rows: list[Rows]
    segments: list[list[Segment]]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: npt.NDArray[np.intp] | Sequence[int]) -> Bags:
        """The bags of some transcripts, over the same table of segments."""
        chosen = [int(i) for i in index]
        return Bags(self.table, [self.rows[i] for i in chosen], [self.segments[i] for i in chosen])

    def part(self, part: Part) -> list[Rows]:
        """Per transcript the rows of one part; all of them where the part is empty."""
        return [
            rows[chosen] if len(chosen := _places(cut, part)) else rows
            for rows, cut in zip(self.rows, self.segments, strict=True)
        ]

    def without_each(self, which: Sequence[int], places: Sequence[Rows]) -> Bags:
        """Each transcript of `which` as many times as it has `places`, each time without the segment in that place."""
        pairs = [(i, int(k)) for i, own in zip(which, places, strict=True) for k in own]
        return Bags(
            self.table,
            [np.delete(self.rows[i], k) for i, k in pairs],
            [[*self.segments[i][:k], *self.segments[i][k + 1 :]] for i, k in pairs],
        )


def _places(cut: Sequence[Segment], part: Part) -> list[int]:
    if part == "all":
        return list(range(len(cut)))
    if part == "context":
        return [k for k, segment in enumerate(cut) if not segment.by_agent]
    own = [k for k, segment in enumerate(cut) if segment.by_agent]
    return [k for k in own if part == "agent" or cut[k].message == cut[own[-1]].message]


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
        return Bags(Table(texts, self._embed(texts)), rows, segments)

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return self._encoder.encode([])
        hashes = [text_hash(text) for text in texts]
        vectors = {h: self._remembered[h] for h in hashes if h in self._remembered}
        not_remembered = [h for h in hashes if h not in vectors]
        if self._store is not None and not_remembered:
            vectors |= self._store.get_embeddings(self._encoder.key, not_remembered)
        missing = [i for i, h in enumerate(hashes) if h not in vectors]
        for start in range(0, len(missing), _KEPT_TOGETHER):
            part = missing[start : start + _KEPT_TOGETHER]
            fresh = self._encoder.encode([texts[i] for i in part])
            new = {hashes[i]: vector for i, vector in zip(part, fresh, strict=True)}
            if self._store is not None:
                self._store.put_embeddings(self._encoder.key, new)
            vectors |= new
        # What the latest transcripts hold, the next ones are likeliest to share.
        crowded = len(self._remembered) + len(vectors) > _REMEMBERED
        self._remembered = vectors if crowded else self._remembered | vectors
        return np.stack([vectors[h] for h in hashes]).astype(np.float32, copy=False)


def chunks(transcripts: Iterable[Transcript]) -> Iterator[list[Transcript]]:
    """`CHUNK` transcripts at a time, fewer where they are long."""
    chunk: list[Transcript] = []
    length = 0
    for transcript in transcripts:
        chunk.append(transcript)
        length += sum(len(message.text) for message in transcript.messages)
        if len(chunk) == CHUNK or length >= _CHARACTERS:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk
