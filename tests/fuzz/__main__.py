"""``python tests/fuzz TARGET CORPUS [libFuzzer's options]``: one target under atheris, which counts what it reaches."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

with atheris.instrument_imports(include=["grader", "labels", "calibration"], enable_loader_override=False):
    from fuzz.targets import TARGETS
    from readers_mutations import Seed, mutants


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Half of the time one place of a JSON value is put wrong, else bytes are; the byte that chooses is mostly kept."""
    rng = random.Random(seed)
    if len(data) < 2 or rng.random() < 0.5:
        changed: bytes = atheris.Mutate(data, max_size)
        return changed
    return (data[:1] + next(mutants(Seed("fuzz", data[1:]), 1, rng)))[:max_size]


def main() -> None:
    """Write the seeds into the corpus, then fuzz until libFuzzer's options say stop."""
    name, corpus, *options = sys.argv[1:]
    target = TARGETS[name]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for at, data in enumerate(target.seeds()):
        (folder / f"seed-{at}").write_bytes(data)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        attempt = target.make(Path(scratch))
        atheris.Setup([sys.argv[0], *options, corpus], attempt, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
