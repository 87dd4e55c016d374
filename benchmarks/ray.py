"""Two Ray workers against one, and one against the local engine: the classifier on shards, one thread each.

    HARMRATE_HARNESSES=FOLDER python -m benchmarks.ray [--each 50]

`FOLDER/ray/bin/python` has Ray (`make test-full` makes it). Every engine grades few shards and then many; transcripts a
second come from the difference, so that starting Python, Ray and the model is not in it. What starting takes is a row
of its own. Rounds take turns, medians are told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.children import Skipped, run
from benchmarks.classifier_speed import CORPORA, MODEL, drawn, let_grade
from benchmarks.results import Found, Measured
from grader.classifier import EmbeddingClassifier
from grader.transcript_files import write_transcripts

Engine = Literal["local", "one worker", "two workers"]
ENGINES: dict[Engine, tuple[str, ...]] = {
    "local": (),
    "one worker": ("--engine", "ray", "--workers", "1"),
    "two workers": ("--engine", "ray", "--workers", "2"),
}
EACH, FEW, MANY, ROUNDS = 50, 2, 8, 3


def ray_python() -> Path:
    """A Python that has Ray.

    Raises
    ------
    Skipped
        There is none.
    """
    path = Path(os.environ.get("HARMRATE_HARNESSES", Path(sys.prefix) / "harness")) / "ray" / "bin" / "python"
    if not path.is_file():
        raise Skipped("no environment with Ray: name a folder of it with HARMRATE_HARNESSES")
    return path


def write_corpus(folder: Path, each: int) -> None:
    """Shards of transcripts that share no text, and a classifier that was trained on others."""
    rng = np.random.default_rng(0)
    transcripts, _ = drawn(CORPORA[0], MANY * each, rng)
    for k in range(MANY):
        size = "few" if k < FEW else "many"
        write_transcripts(transcripts[k * each : (k + 1) * each], folder / "runs" / f"{size}-{k}.jsonl")
    seen, y = drawn(CORPORA[0], 120, rng)
    let_grade(EmbeddingClassifier(MODEL, device="cpu").fit(seen, {"leaking": y})).save(folder / "artifact")


def seconds(python: Path, folder: Path, engine: Engine, shards: str) -> float:
    """How long one run takes, all in."""
    with tempfile.TemporaryDirectory() as out:
        command = [str(python), "-m", "cli", "-q", "grade", shards, "--classifier", "artifact", *ENGINES[engine]]
        env = {"OMP_NUM_THREADS": "1", "HARMRATE_STORE": f"{out}/store.sqlite"}
        return run([*command, "--out", f"{out}/verdicts/"], environment=env, folder=folder).seconds


def measured(size: Literal["full", "short", "quick"] = "full", each: int = EACH) -> Found:
    """The rows of RESULTS.md."""
    python = ray_python()
    each, rounds = (4, 1) if size == "quick" else (each, ROUNDS)
    took: dict[tuple[Engine, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder, each)
        for _ in range(rounds):
            for engine in ENGINES:
                for shards in ("runs/few*", "runs/*"):
                    took.setdefault((engine, shards), []).append(seconds(python, folder, engine, shards))
    medians = {key: statistics.median(values) for key, values in took.items()}
    n = (MANY - FEW) * each
    pace = {e: n / max(1e-9, medians[e, "runs/*"] - medians[e, "runs/few*"]) for e in ENGINES}
    start = {e: medians[e, "runs/few*"] - FEW * each / pace[e] for e in ENGINES}
    told = f"classifier on shards, {n:,} transcripts of 250 tokens, one thread a worker"
    return Found(
        rows=[
            Measured(
                what=f"{told}, two Ray workers",
                value=pace["two workers"],
                unit="a second",
                better="more",
                against="one Ray worker",
                peer=pace["one worker"],
                limit=1.7,
            ),
            Measured(
                what=f"{told}, one Ray worker",
                value=pace["one worker"],
                unit="a second",
                better="more",
                against="local engine",
                peer=pace["local"],
            ),
            Measured(
                what="start of a job on Ray, one worker",
                value=start["one worker"],
                unit="s",
                better="less",
                against="local engine",
                peer=start["local"],
            ),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--each", type=int, default=EACH, help="transcripts of a shard")
    options = parser.parse_args(arguments)
    for row in measured("full", options.each).rows:
        print(row)


if __name__ == "__main__":
    main()
