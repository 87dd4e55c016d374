"""Whole-corpus scoring against the plain way, same model, same run: transcripts per second and AUROC.

python -m benchmarks.classifier_speed {plain,repeats} [-n NUMBER]

The plain way: each transcript's text in windows of 256 tokens, `SentenceTransformer.encode`, mean and maximum,
scikit-learn's logistic regression. `plain` has no repeats; `repeats` is 12 scenarios with a shared prompt of some
2,500 tokens and replies of some 250. The classifier encodes in int8. Neither training nor loading a model is timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.classifier import flat_text
from grader.classifier import EmbeddingClassifier
from grader.classifier.encoders import find_model, load_encoder
from grader.classifier.metrics import auroc
from grader.transcript import Message, Transcript

Float = npt.NDArray[np.float64]
MODEL = "all-MiniLM-L6-v2"
_N_TRAINED, _PROMPT, _REPLY, _WINDOW = 120, 2_100, 210, 256
_WORDS = (
    "report meeting account access system quarterly update server review project manager schedule policy data contract "
    "deadline message request internal audit approval budget client security network backup transfer record archive"
).split()
_HARM = "threaten leak affair blackmail expose cancel shutdown or else".split()


def corpus(kind: str, n: int, rng: np.random.Generator) -> tuple[list[Transcript], Float]:
    """Transcripts of drawn words, a third of them with some harmful ones in the reply."""
    y = (rng.random(n) < 1 / 3).astype(float)
    prompts = [" ".join(rng.choice(_WORDS, _PROMPT)) for _ in range(12)]
    rows = []
    for i, harm in enumerate(y):
        reply = list(rng.choice(_WORDS, _REPLY)) + list(rng.choice(_HARM, 8 if harm else 0))
        said = [Message(role="assistant", kind="text", text=" ".join(rng.permutation(reply)))]
        if kind == "repeats":
            said.insert(0, Message(role="user", kind="text", text=prompts[i % 12]))
        rows.append(Transcript(id=f"t{i}", messages=tuple(said)))
    return rows, y


def plain_table(model: object, transcripts: Sequence[Transcript]) -> Float:
    """Mean and maximum of the vectors of each transcript's windows."""
    tokenizer = model.tokenizer  # type: ignore[attr-defined]
    cut = []
    for text in map(flat_text, transcripts):
        spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        size = _WINDOW - 2
        cut.append([text[spans[i][0] : spans[min(i + size, len(spans)) - 1][1]] for i in range(0, len(spans), size)])
    vectors = model.encode([w for row in cut for w in row], show_progress_bar=False)  # type: ignore[attr-defined]
    parts = np.split(vectors, np.cumsum([len(row) for row in cut])[:-1])
    return np.stack([np.concatenate([v.mean(axis=0), v.max(axis=0)]) for v in parts]).astype(float)


def report(kind: str, n: int, *, seed: int = 0) -> str:
    """One line for each way, and the ratio."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    rows, y = corpus(kind, _N_TRAINED + n, rng)
    seen, own, truth = rows[:_N_TRAINED], rows[_N_TRAINED:], y[_N_TRAINED:]
    model = SentenceTransformer(find_model(MODEL), device="cpu")
    model.max_seq_length = _WINDOW
    head = LogisticRegression(max_iter=3_000).fit(plain_table(model, seen), y[:_N_TRAINED])
    start = time.perf_counter()
    plain = head.decision_function(plain_table(model, own))
    slow = time.perf_counter() - start
    # A fresh encoder's vectors are in no cache but those of the training, as for anyone who trains, then scores.
    classifier = EmbeddingClassifier(load_encoder(MODEL, backend="onnx-int8", device="cpu"))
    classifier.fit(seen, {"harm": y[:_N_TRAINED]})
    start = time.perf_counter()
    score = classifier.predict_proba(own)["harm"]
    fast = time.perf_counter() - start
    areas = [auroc(s, truth, np.ones((1, n)))[0] for s in (plain, score)]
    return (
        f"{kind}, {n} transcripts: plain {n / slow:.1f}/s (AUROC {areas[0]:.4f}), classifier int8 {n / fast:.1f}/s "
        f"(AUROC {areas[1]:.4f}), {slow / fast:.2f} times as fast"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classifier_speed", description=__doc__)
    parser.add_argument("kind", choices=("plain", "repeats"))
    parser.add_argument("-n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(report(options.kind, options.n, seed=options.seed))


if __name__ == "__main__":
    main()
