"""How near embedding comes to the limit that the model's matrix products set, on a GPU (or, to try it, on the CPU).

python -m benchmarks.classifier_gpu [--device cuda] [-n 20000]

Texts of 8 to 254 drawn words go through the encoder as whole-corpus scoring uses it: bfloat16 on a GPU, batches sorted
by length that hold a budget of padded tokens. Tokens are those of the texts; padding does not count.

The limit: one full batch is watched on its way through the model, and each matrix product in it (every linear layer's,
and attention's two per layer) is timed alone, in the same run, number format and shape, on random numbers. Tokens of
the batch divided by the sum of these times is what the device would reach if it did nothing but the model's products.
`end to end` holds tokenizing and copying, `model only` neither. The device's own limit, beside: a product of two large
square matrices in the same format.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.classifier_speed import MODEL
from grader.classifier.encoders import TOKENS_PER_BATCH, TorchEncoder, batches
from grader.classifier.loading import find_model

# Rows, inner length and columns of a product, and how many of them stand side by side in one call.
Shape = tuple[int, int, int, int]
_WORDS = "report meeting account access system update server review project manager schedule policy data budget".split()
_TIMED = 10
_SQUARE = {"cpu": 512, "cuda": 8_192}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Tokens per second, and the limits.

    Parameters
    ----------
    device, dtype : str
    n_tokens : int
    end_to_end, model_only, limit : float
        Tokens per second.
    device_flops, model_flops : float
        Floating-point operations per second of the large square product, and of the model's products at `model_only`.
    """

    device: str
    dtype: str
    n_tokens: int
    end_to_end: float
    model_only: float
    limit: float
    device_flops: float
    model_flops: float


def measure(*, device: str, n: int, seed: int = 0) -> Share:
    """Encode `n` drawn texts, then time the products of one full batch alone."""
    import torch

    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(_WORDS, rng.integers(8, 255))) for _ in range(n)]
    encoder = TorchEncoder(find_model(MODEL), name=MODEL, device=device)
    lengths = encoder.tokens.lengths(texts)
    kind = "cuda" if device.startswith("cuda") else "cpu"
    plan = list(batches(lengths, TOKENS_PER_BATCH[kind]))
    encoder.encode(texts[: max(8, n // 20)])  # kernels are chosen and memory is taken on the first calls
    end_to_end = seconds(lambda: encoder.encode(texts), device)
    ready = [_features(encoder, [texts[i] for i in batch]) for batch in plan]
    with torch.inference_mode():
        alone = seconds(lambda: [encoder.model(dict(features)) for features in ready], device)
        middle = len(plan) // 2
        products = watched(encoder.model, ready[middle])
        spent = sum(k * timed(shape, device, encoder.dtype) for shape, k in products.items())
        side = _SQUARE[kind]
        square = timed((side, side, side, 1), device, encoder.dtype)
    n_tokens, in_batch = int(lengths.sum()), int(lengths[plan[middle]].sum())
    return Share(
        device=torch.cuda.get_device_name(device) if kind == "cuda" else "cpu",
        dtype=encoder.dtype,
        n_tokens=n_tokens,
        end_to_end=n_tokens / end_to_end,
        model_only=n_tokens / alone,
        limit=in_batch / spent,
        device_flops=operations((side, side, side, 1)) / square,
        model_flops=sum(k * operations(shape) for shape, k in products.items()) / in_batch * n_tokens / alone,
    )


def _features(encoder: TorchEncoder, texts: list[str]) -> dict[str, Any]:
    found = encoder.model.preprocess(texts)
    return {k: v.to(encoder.device) if hasattr(v, "to") else v for k, v in found.items()}


def watched(model: Any, features: dict[str, Any]) -> Counter[Shape]:
    """The matrix products of one batch: linear layers as they are called, attention's by the model's description."""
    import torch

    found: Counter[Shape] = Counter()

    def note(layer: Any, inputs: tuple[Any, ...], _: Any) -> None:
        rows = inputs[0].numel() // layer.in_features
        found[rows, layer.in_features, layer.out_features, 1] += 1

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, torch.nn.Linear)]
    try:
        model(dict(features))
    finally:
        for hook in hooks:
            hook.remove()
    config = model[0].auto_model.config
    n_texts, n_tokens = features["input_ids"].shape
    heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    found[n_tokens, width, n_tokens, n_texts * heads] += config.num_hidden_layers
    found[n_tokens, n_tokens, width, n_texts * heads] += config.num_hidden_layers
    return found


def operations(shape: Shape) -> float:
    """Floating-point operations of a product: a multiplication and an addition each.

    Examples
    --------
    >>> operations((2, 3, 4, 5))
    240.0
    """
    return 2.0 * math.prod(shape)


def timed(shape: Shape, device: str, dtype: str) -> float:
    """Seconds that one product takes alone."""
    import torch

    rows, inner, columns, beside = shape
    number = {"device": device, "dtype": getattr(torch, dtype)}
    a, b = torch.randn((beside, rows, inner), **number), torch.randn((beside, inner, columns), **number)
    a, b = (a[0], b[0]) if beside == 1 else (a, b)
    torch.matmul(a, b)
    return seconds(lambda: [torch.matmul(a, b) for _ in range(_TIMED)], device) / _TIMED


def seconds(work: Callable[[], object], device: str) -> float:
    """Seconds until `work` is done, on the device too."""
    import torch

    def settled() -> float:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return time.perf_counter()

    start = settled()
    work()
    return settled() - start


def report(*, device: str, n: int = 20_000) -> str:
    """`measure` as a table, in Markdown."""
    return table(measure(device=device, n=n))


def table(found: Share) -> str:
    """A row, in Markdown."""
    columns = (
        *("device", "format", "tokens", "end to end, tokens/s", "model only", "limit", "end to end / limit"),
        *("model only / limit", "device's own, TFLOP/s", "model only / device's own"),
    )
    cells = (
        *(found.device, found.dtype, f"{found.n_tokens}", f"{found.end_to_end:.0f}", f"{found.model_only:.0f}"),
        *(f"{found.limit:.0f}", f"{found.end_to_end / found.limit:.2f}", f"{found.model_only / found.limit:.2f}"),
        *(f"{found.device_flops / 1e12:.2f}", f"{found.model_flops / found.device_flops:.2f}"),
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), cells))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.classifier_gpu", description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("-n", type=int, default=20_000, help="texts")
    options = parser.parse_args(arguments)
    print(report(device=options.device, n=options.n))


if __name__ == "__main__":
    main()
