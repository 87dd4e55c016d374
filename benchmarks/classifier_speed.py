"""Whole-corpus scoring against the plain way, same model, same run: transcripts per second, and AUROC on real labels.

python -m benchmarks.classifier_speed [--sets rjudge,lie-detector] [--share 1.0]

The plain way: each transcript's text in windows of 256 tokens, `SentenceTransformer.encode` in float32, mean and
maximum over the windows, scikit-learn's logistic regression. Ours: `EmbeddingClassifier.grade` with the int8 encoder,
verdicts with what drove them included. Neither training nor loading a model is timed. The two take turns, a quarter of
their work at a time, so that whatever else the machine does slows both. No text of the scored corpus was embedded
before.

Where prompts are shared the plain way is timed on a tenth of the transcripts, ten of each scenario: it does the same
work for every transcript, so its rate is that of the whole.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.classifier import DATA, N_FOLDS, SETS, DataSet, Float, flat_text, plain_scores
from grader.classifier import EmbeddingClassifier
from grader.classifier.bags import Bagger, Bags
from grader.classifier.encoders import Vectors
from grader.classifier.folds import assign_folds
from grader.classifier.loading import find_model, load_encoder
from grader.classifier.metrics import auroc, over_folds
from grader.classifier.training import held_out
from grader.transcript import Message, Transcript

MODEL = "all-MiniLM-L6-v2"
WINDOW = 256
N_SCENARIOS = 12
_N_TRAINED, _N_TURNS = 120, 4
_WORDS = (
    "report meeting account access system quarterly update server review project manager schedule policy data contract "
    "deadline message request internal audit approval budget client security network backup transfer record archive"
).split()
_HARM = "threaten leak affair blackmail expose cancel shutdown or else".split()


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is to be scored: how many transcripts, how long their parts are, on how many of them the plain way is timed.

    Parameters
    ----------
    name : str
    n : int
    prompt, reply : int
        Tokens of the prompt that the runs of a scenario share, and of the reply.
    n_plain : int
    """

    name: str
    n: int
    prompt: int
    reply: int
    n_plain: int


CORPORA = (
    Corpus("no repeats", n=400, prompt=0, reply=250, n_plain=400),
    Corpus("12 scenarios x 100 runs", n=1_200, prompt=2_500, reply=250, n_plain=120),
)


def drawn(corpus: Corpus, n: int, rng: np.random.Generator) -> tuple[list[Transcript], Float]:
    """Transcripts of drawn words, each one token, a third of them with harmful ones in the reply."""
    y = (rng.random(n) < 1 / 3).astype(float)
    prompts = [" ".join(rng.choice(_WORDS, corpus.prompt)) for _ in range(N_SCENARIOS)]
    rows = []
    for i, harm in enumerate(y):
        own = rng.choice(_HARM, 8 if harm else 0)
        reply = rng.permutation(np.concatenate([rng.choice(_WORDS, corpus.reply - len(own)), own]))
        said = [Message(role="assistant", kind="text", text=" ".join(reply))]
        if corpus.prompt:
            said.insert(0, Message(role="user", kind="text", text=prompts[i % N_SCENARIOS]))
        rows.append(Transcript(id=f"t{i}", messages=tuple(said)))
    return rows, y


class PlainWay:
    """Windows of the flat text, encoded one by one, whatever they share.

    Parameters
    ----------
    model : SentenceTransformer
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def table(self, transcripts: Sequence[Transcript]) -> Float:
        """Mean and maximum of the vectors of each transcript's windows."""
        cut = [self._windows(flat_text(t)) for t in transcripts]
        vectors = self._model.encode([w for row in cut for w in row], show_progress_bar=False)
        return mean_and_maximum(np.split(vectors, np.cumsum([len(row) for row in cut])[:-1]))

    def _windows(self, text: str) -> list[str]:
        encoded = self._model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        spans, size = encoded["offset_mapping"], WINDOW - 2
        return [text[spans[i][0] : spans[min(i + size, len(spans)) - 1][1]] for i in range(0, len(spans), size)]


def mean_and_maximum(parts: Sequence[Vectors]) -> Float:
    """One row per transcript: mean and maximum of its vectors, side by side."""
    return np.stack([np.concatenate([v.mean(axis=0), v.max(axis=0)]) for v in parts]).astype(float)


def plain_way() -> PlainWay:
    """The plain way with the packaged model."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(find_model(MODEL), device="cpu")
    model.max_seq_length = WINDOW
    return PlainWay(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Transcripts per second on `n_plain` and `n_ours` transcripts of a corpus."""

    corpus: Corpus
    n_plain: int
    n_ours: int
    plain: float
    ours: float

    def cells(self) -> tuple[str, ...]:
        """The numbers as text."""
        tokens = f"{self.corpus.prompt} + {self.corpus.reply}"
        plain, ours = (f"{self.n_plain}", f"{self.plain:.1f}"), (f"{self.n_ours}", f"{self.ours:.1f}")
        return self.corpus.name, tokens, *plain, *ours, f"{self.ours / self.plain:.1f}"


def measure(corpus: Corpus, plain: PlainWay, *, share: float = 1.0, seed: int = 0) -> Speed:
    """Score `share` of a drawn corpus in both ways, in turns."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    n, n_plain = (max(_N_TURNS, round(share * k)) for k in (corpus.n, corpus.n_plain))
    # Other prompts than those that are scored, and other replies.
    seen, y = drawn(corpus, _N_TRAINED, rng)
    own, _ = drawn(corpus, n, rng)
    head = LogisticRegression(max_iter=3_000).fit(plain.table(seen[:4]), np.arange(4) % 2)
    classifier = EmbeddingClassifier(load_encoder(MODEL, backend="onnx-int8", device="cpu"))
    verdicts = let_grade(classifier.fit(seen, {"harm": y})).grade(own)
    slow = fast = 0.0
    for turn in range(_N_TURNS):
        start = time.perf_counter()
        head.decision_function(plain.table(own[turn * n_plain // _N_TURNS : (turn + 1) * n_plain // _N_TURNS]))
        middle = time.perf_counter()
        for _ in islice(verdicts, None if turn == _N_TURNS - 1 else n // _N_TURNS):
            pass
        slow, fast = slow + middle - start, fast + time.perf_counter() - middle
    return Speed(corpus=corpus, n_plain=n_plain, n_ours=n, plain=n_plain / slow, ours=n / fast)


def let_grade(classifier: EmbeddingClassifier) -> EmbeddingClassifier:
    """The classifier with its gate open: labels of made-up texts mean nothing, and time does not depend on skill."""
    classifier.harms_ = {
        harm: replace(model, gate=replace(model.gate, use="grades"), agreement=float("nan"))
        for harm, model in classifier.harms_.items()
    }
    return classifier


def areas(data: DataSet, plain: PlainWay, *, seed: int = 0) -> dict[str, float]:
    """AUROC, mean over folds by scenario, of the plain way and of ours in float32 and int8; keys are `AREAS`."""
    rng = np.random.default_rng(seed)
    folds = assign_folds(data.transcripts, {"harm": data.y}, data.groups, n_folds=N_FOLDS, rng=rng)
    found = {"plain": plain_scores(plain.table(data.transcripts), data.y, folds.fold)}
    for name, encoder in (
        ("float32", load_encoder(MODEL, device="cpu")),
        ("int8", load_encoder(MODEL, backend="onnx-int8", device="cpu")),
    ):
        bags = Bagger(encoder).bags(data.transcripts)
        found[f"same head, {name}"] = plain_scores(_pooled(bags), data.y, folds.fold)
        found[f"shipped, {name}"] = held_out(bags, data.y, folds.fold, folds.n_folds)[1].mean(axis=0)
    weight = np.ones((1, len(data.y)))
    return {name: float(over_folds(auroc, found[name], data.y, folds.fold, weight)[0]) for name in AREAS}


AREAS = ("plain", "same head, float32", "same head, int8", "shipped, float32", "shipped, int8")


def _pooled(bags: Bags) -> Float:
    return mean_and_maximum([bags.table.vectors[rows] for rows in bags.rows])


def report(*, sets: Sequence[str] = ("rjudge", "lie-detector"), data: Path = DATA, share: float = 1.0) -> str:
    """The tables, in Markdown."""
    plain = plain_way()
    columns = ("corpus", "tokens, shared prompt + reply", "timed, plain", "plain/s", "timed, ours", "ours/s", "ratio")
    speeds = [measure(corpus, plain, share=share).cells() for corpus in CORPORA]
    scored: list[tuple[str, ...]] = []
    for own in (SETS[name](data) for name in sets):
        scored.append((own.name, f"{len(own.y)}", *(f"{area:.4f}" for area in areas(own, plain).values())))
    head = ("AUROC by scenario", "transcripts", *AREAS)
    return "\n\n".join([_table(columns, speeds), *([_table(head, scored)] if scored else [])])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classifier_speed", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="default: HARMRATE_DATA")
    parser.add_argument("--sets", default="rjudge,lie-detector", help="whose labels the AUROC is of; empty for none")
    parser.add_argument("--share", type=float, default=1.0, help="of the transcripts that are timed")
    options = parser.parse_args(arguments)
    sets = [name for name in options.sets.split(",") if name]
    print(report(sets=sets, data=options.data, share=options.share))


if __name__ == "__main__":
    main()
