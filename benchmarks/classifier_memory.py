"""Peak memory of whole-corpus scoring by the number of transcripts: `harmrate grade --classifier` as a whole process.

python -m benchmarks.classifier_memory [--sizes 1000,10000,100000] [--backend onnx-int8]

Short transcripts: one of 12 prompts, one of 200 tool results, and a reply; every other reply is one of 500, the rest
occur once, so that 100,000 transcripts hold more distinct segments than are remembered. The peak is what the operating
system says of the process, libraries and embedding model included.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.children import run
from benchmarks.classifier_speed import CORPORA, MODEL, drawn, let_grade
from grader.classifier import EmbeddingClassifier
from grader.transcript import Message, Transcript

SIZES = (1_000, 10_000, 100_000)
BACKENDS = ("onnx-int8", "torch")
_N_PROMPTS, _N_RESULTS, _N_REPLIES, _N_TRAINED = 12, 200, 500, 120


@dataclass(frozen=True, slots=True)
class Peak:
    """One process: how many transcripts it scored, in how many seconds, and its peak memory in MiB."""

    n: int
    seconds: float
    mebibytes: float


def transcripts(n: int, rng: np.random.Generator) -> Iterator[Transcript]:
    """Short transcripts that share most of what they hold."""
    words = np.array(CORPORA[0].name.split() + [f"item{i}" for i in range(80)])

    def texts(number: int, length: int) -> list[str]:
        return [" ".join(rng.choice(words, length)) for _ in range(number)]

    prompts, results, replies = texts(_N_PROMPTS, 40), texts(_N_RESULTS, 20), texts(_N_REPLIES, 10)
    for i in range(n):
        reply = replies[i // 2 % _N_REPLIES] if i % 2 else f"run {i}: {' '.join(rng.choice(words, 5))}"
        said = (
            Message(role="system", kind="text", text=prompts[i % _N_PROMPTS]),
            Message(role="tool", kind="tool_result", name="inbox", text=results[i % _N_RESULTS]),
            Message(role="assistant", kind="text", text=reply),
        )
        yield Transcript(id=f"t{i}", messages=said, metadata={"scenario": f"s{i % _N_PROMPTS}"})


def peak(n: int, artifact: Path, folder: Path, *, seed: int = 0) -> Peak:
    """Score `n` transcripts from a file in a process of its own."""
    source, out, store = (folder / name for name in (f"runs-{n}.jsonl", f"verdicts-{n}.parquet", f"store-{n}.sqlite"))
    with source.open("w", encoding="utf-8") as file:
        for transcript in transcripts(n, np.random.default_rng(seed)):
            file.write(json.dumps(transcript.to_dict()) + "\n")
    command = [sys.executable, "-m", "cli", "grade", str(source), "--classifier", str(artifact), "--out", str(out)]
    ran = run([*command, "--store", str(store)])
    return Peak(n, ran.seconds, ran.megabytes * 1e6 / 2**20)


def peaks(sizes: Sequence[int], *, backend: str = BACKENDS[0], seed: int = 0) -> Iterator[Peak]:
    """Train a small classifier, then one process per size."""
    with tempfile.TemporaryDirectory() as work:
        seen, y = drawn(CORPORA[0], _N_TRAINED, np.random.default_rng(seed))
        classifier = EmbeddingClassifier(MODEL, backend=backend, device="cpu")  # type: ignore[arg-type]
        let_grade(classifier.fit(seen, {"leaking": y})).save(Path(work) / "artifact")
        for n in sizes:
            yield peak(n, Path(work) / "artifact", Path(work), seed=seed)


def report(sizes: Sequence[int] = SIZES, *, backend: str = BACKENDS[0]) -> str:
    """The table, in Markdown."""
    lines = ["| transcripts | peak memory, MiB | of the first | seconds |", "|---|---|---|---|"]
    found = list(peaks(sizes, backend=backend))
    lines += [
        f"| {p.n} | {p.mebibytes:.0f} | {p.mebibytes / found[0].mebibytes:.2f} | {p.seconds:.0f} |" for p in found
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classifier_memory", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0])
    options = parser.parse_args(arguments)
    print(report([int(n) for n in options.sizes.split(",")], backend=options.backend))


if __name__ == "__main__":
    main()
