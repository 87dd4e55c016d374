"""Tokens: exact lengths, and where words begin and end, by the embedding model's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.errors import InputError


class Tokens:
    """A copy of a sentence-transformers model's tokenizer that does not pad.

    Parameters
    ----------
    model : SentenceTransformer

    Raises
    ------
    InputError
        When the model's tokenizer has no fast version.
    """

    def __init__(self, model: Any) -> None:
        from tokenizers import Tokenizer

        own = getattr(model.tokenizer, "backend_tokenizer", None)
        if own is None:
            raise InputError(f"the model's tokenizer, {type(model.tokenizer).__name__}, has no fast version")
        self._tokenizer: Any = Tokenizer.from_str(own.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._limit = int(model.max_seq_length or 512)
        self.max_tokens = self._limit - int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    def spans(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Per text an array of shape (n_words, 3): start, end and number of tokens of each word."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [_word_spans(e.offsets, e.word_ids, self.max_tokens) for e in encodings]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut to the model's limit."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=True)
        return [e.ids if len(e.ids) <= self._limit else [*e.ids[: self._limit - 1], e.ids[-1]] for e in encodings]

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Number of tokens of each text, special tokens included."""
        return np.array([len(row) for row in self.ids(texts)], dtype=np.int64)


def _word_spans(offsets: list[tuple[int, int]], word_ids: list[int | None], limit: int) -> npt.NDArray[np.int64]:
    """Tokens joined to words; a text with a word of more than `limit` tokens stays in single tokens."""
    if not offsets:
        return np.empty((0, 3), dtype=np.int64)
    place = np.asarray(offsets, dtype=np.int64)
    word = np.array([-1 if w is None else w for w in word_ids], dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, (word[1:] != word[:-1]) | (word[1:] < 0)])
    counts = np.diff(np.r_[starts, len(word)])
    if (counts > limit).any():
        starts, counts = np.arange(len(word)), np.ones(len(word), dtype=np.int64)
    return np.column_stack([place[starts, 0], place[starts + counts - 1, 1], counts])
