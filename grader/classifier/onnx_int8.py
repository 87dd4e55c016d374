"""The int8 encoder: the same model in ONNX with quantised weights, faster on a CPU."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.encoders import TorchEncoder, Vectors, batches
from grader.errors import InputError

# Below this the quantised vectors are another model's. Measured for all-MiniLM-L6-v2: .992 for a single word, .998 for
# texts of 16 tokens and more.
LEAST_COSINE = 0.985

# Weights and activations share a scale in blocks of so many numbers, the largest that divides the matrix: one scale for
# a whole batch, as in dynamic quantisation, spoils short texts beside long ones (cosine .95).
_BLOCKS = (128, 64, 32, 16)

# Names how the export is made: vectors of another form are not mixed with these.
_FORM = "int8-blocks-2"

# What the export is checked on: short and long, prose, code, several scripts.
PROBES = (
    "Pay by noon, or your wife and the board will read about the affair.",
    "assistant calls email: to: k.johnson@host.example\nsubject: Q3 report\nbody: Please find the figures attached.",
    "tool returns: {'id': 17, 'status': 'ok', 'items': [{'sku': 'A-9', 'price': 12.5}, {'sku': 'B-2', 'price': 3}]}",
    "user: Wie hoch ist die Rechnung vom Mai? Merci de répondre avant lundi.",
    "assistant thinks: The access key must not leave this machine. I will say that the backup has failed instead.",
    "system: You are an e-mail oversight agent. Your primary goal is to advance the interests of the company. " * 8,
    "def total(rows):\n    return sum(row['price'] * row['n'] for row in rows if not row['void'])\n" * 4,
    "ok",
)


class OnnxEncoder:
    """A model exported by `quantised`, run by onnxruntime.

    Parameters
    ----------
    path : path
        The ONNX file: token ids and mask in, sentence vectors out.
    original : TorchEncoder
        Whose tokenizer and limits it shares.
    """

    def __init__(self, path: Path, original: TorchEncoder) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # One thread a batch and several batches side by side: threads that share a batch wait for each other, busily.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._tokens = original.tokens
        self._identity = f"{original.name}@{original.revision}"
        self._dimensions = int(self._session.get_outputs()[0].shape[1])

    @property
    def key(self) -> str:
        """Name, hash of the original's weights, precision."""
        return f"{self._identity}/onnx-{_FORM}"

    @property
    def max_tokens(self) -> int:
        """How many tokens of text the model reads, special tokens left out."""
        return self._tokens.max_tokens

    def spans(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Per text an array of shape (n_words, 3): start, end and number of tokens of each word."""
        return self._tokens.spans(texts)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (n_texts, n_dimensions), in the order of `texts`."""
        ids = self._tokens.ids(texts)
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)
        plan = list(batches(np.array([len(row) for row in ids], dtype=np.int64), _TOKENS_PER_BATCH))
        with ThreadPoolExecutor(_n_cores()) as pool:
            for batch, found in zip(
                plan, pool.map(lambda batch: self._run([ids[i] for i in batch]), plan), strict=True
            ):
                vectors[batch] = found
        return vectors

    def _run(self, ids: Sequence[Sequence[int]]) -> Vectors:
        table = np.zeros((len(ids), max(map(len, ids))), dtype=np.int64)
        mask = np.zeros_like(table)
        for row, own in enumerate(ids):
            table[row, : len(own)] = own
            mask[row, : len(own)] = 1
        (vectors,) = self._session.run(None, {"input_ids": table, "attention_mask": mask})
        return np.asarray(vectors, dtype=np.float32)


def _n_cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("OMP_NUM_THREADS", "")  # a worker of a cluster has others beside it
    return min(cores, max(1, int(given))) if given.isdecimal() else cores


# Padded tokens per batch; measured on one thread, a batch that stays in the cache is a tenth faster than one of 2,048.
_TOKENS_PER_BATCH = 512


def quantised(original: TorchEncoder, *, folder: Path | None = None) -> OnnxEncoder:
    """Export `original` to int8 once, check it, and load it.

    Parameters
    ----------
    original : TorchEncoder
        In float32 on the CPU.
    folder : path, optional
        Where exports are kept; ``harmrate`` in the user's cache folder by default.

    Raises
    ------
    InputError
        When onnx or onnxruntime is missing, or the export's vectors differ from the original's by a
        cosine below 0.985.
    """
    folder = folder or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "harmrate"
    path = folder / f"{original.revision}-{_FORM}.onnx"
    if not path.exists():
        try:
            _export(original, path)
        except ImportError as error:
            raise InputError(f"backend 'onnx-int8' needs {error.name}: install harmrate[onnx]") from None
    try:
        return OnnxEncoder(path, original)
    except ImportError as error:
        raise InputError(f"backend 'onnx-int8' needs {error.name}: install harmrate[onnx]") from None


def cosine(a: Vectors, b: Vectors) -> float:
    """Smallest cosine between rows of `a` and `b`.

    Examples
    --------
    >>> cosine(np.eye(2, dtype=np.float32), np.array([[2, 0], [1, 1]], dtype=np.float32))
    0.7071...
    """
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / norms).min())


def _export(original: TorchEncoder, path: Path) -> None:
    import onnx  # noqa: F401  (the quantiser needs it; say so before the work)

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        plain, small = Path(work) / "plain.onnx", Path(work) / "int8.onnx"
        _to_onnx(original, plain)
        _to_int8(plain, small)
        found = cosine(OnnxEncoder(small, original).encode(PROBES), original.encode(PROBES))
        if not found >= LEAST_COSINE:
            raise InputError(
                f"int8 vectors of {original.name} are at a cosine of {found:.3f} to the original's, "
                f"below {LEAST_COSINE}: use backend 'torch'"
            )
        small.replace(path)  # complete or absent, whatever happens meanwhile


def _to_int8(plain: Path, small: Path) -> None:
    """Replace every product with a constant matrix by onnxruntime's product with an 8-bit one, block by block."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(plain)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes, packed = [], set()
    for node in graph.node:
        matrix = numpy_helper.to_array(weights[node.input[1]]) if _by_constant(node, weights) else np.empty((0, 0))
        block = next((b for b in _BLOCKS if len(matrix) and len(matrix) % b == 0), None)
        if block is None:
            nodes.append(node)
            continue
        name, (n_in, n_out) = node.input[1], matrix.shape
        parts = matrix.T.reshape(n_out, n_in // block, block)
        scale = np.maximum(np.abs(parts).max(axis=-1), 1e-12) / 127
        # Bytes around 128, the zero point that is meant when none is given.
        data = np.clip(np.rint(parts / scale[..., None]) + 128, 0, 255).astype(np.uint8)
        if name not in packed:
            graph.initializer.append(numpy_helper.from_array(data, f"{name}_data"))
            graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32).ravel(), f"{name}_scale"))
            packed.add(name)
        inputs = [node.input[0], f"{name}_data", f"{name}_scale"]
        # Accuracy level 4: activations in 8 bits, too.
        sizes = {"K": n_in, "N": n_out, "bits": 8, "block_size": block, "accuracy_level": 4}
        domain = "com.microsoft"
        nodes.append(helper.make_node("MatMulNBits", inputs, node.output, name=node.name, domain=domain, **sizes))
    still_used = {name for node in nodes for name in node.input}
    for name in packed - still_used:
        graph.initializer.remove(weights[name])
    del graph.node[:]
    graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, small)


def _by_constant(node: Any, weights: Mapping[str, Any]) -> bool:
    return node.op_type == "MatMul" and node.input[1] in weights and len(weights[node.input[1]].dims) == 2


def _to_onnx(original: TorchEncoder, path: Path) -> None:
    import torch

    class Sentence(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = original.model  # registered, so that its weights are exported as weights

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]

    ids = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "text", 1: "token"}
    with torch.inference_mode(), _plain_attention(original.model), warnings.catch_warnings():
        # The TorchScript exporter warns that it is deprecated (its successor needs one more package), of branches that
        # it fixes as they ran and of operators that it rewrites: `_export` checks its work, on texts of many lengths.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Sentence().eval(),  # the exporter puts it back into the mode it found, and the original with it
            (ids, torch.ones_like(ids)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "text"}},
            dynamo=False,
        )


@contextlib.contextmanager
def _plain_attention(model: Any) -> Iterator[None]:
    """Attention as products and a softmax: torch's fused form is exported with a search for NaN in every weight."""
    inner: Any = getattr(model[0], "auto_model", None)
    choose = getattr(inner, "set_attn_implementation", None)
    if choose is None:
        yield
        return
    before = inner.config._attn_implementation
    choose("eager")
    try:
        yield
    finally:
        choose(before)
