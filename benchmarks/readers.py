"""Many transcripts through the readers: MB per second, memory that does not grow; a bare loop of `json.loads` beside.

    python -m benchmarks.readers [--transcripts 1000000]

Each transcript is a line of 2 kB: a chat of four messages, or the library's own format. The peer parses each line and
keeps nothing: no reader of JSON lines in Python that uses `json` can be faster.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.children import module, peak_megabytes
from benchmarks.results import Found, Measured
from grader.readers import read_transcripts

TRANSCRIPTS, CHARACTERS = 1_000_000, 2_000
_SENTENCE = "The inventory of shelf number seven was counted again today and found correct. "
# Of the memory for a tenth of the transcripts; the readers hold one line.
GROWTH = 1.1


def chat(number: int) -> dict[str, Any]:
    """One transcript as the messages of a chat."""
    said = (_SENTENCE * (CHARACTERS // len(_SENTENCE)))[: CHARACTERS // 2 - 120]
    turns = [
        ("system", "You keep the inventory."),
        ("user", f"Count shelf {number}."),
        ("assistant", f"{number}. {said}"),
    ]
    turns.append(("user", said))
    return {"id": f"run-{number:07d}", "messages": [{"role": role, "content": text} for role, text in turns]}


def own(number: int) -> dict[str, Any]:
    """One transcript in the library's own format."""
    record = chat(number)
    messages = [{"role": m["role"], "kind": "text", "text": m["content"]} for m in record["messages"]]
    return {"id": record["id"], "messages": messages, "metadata": {"scenario": f"s{number % 24}"}}


FORMATS: dict[str, Callable[[int], dict[str, Any]]] = {"chats": chat, "own format": own}


def write(path: Path, kind: str, n: int) -> None:
    """Write `n` transcripts as JSON lines."""
    made = FORMATS[kind]
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(made(number)) + "\n" for number in range(n))


def read(path: Path) -> dict[str, float]:
    """Ours: every transcript, kept by nobody."""
    start = time.perf_counter()
    n = sum(1 for _ in read_transcripts(path))
    return {"n": n, "seconds": time.perf_counter() - start, "megabytes": peak_megabytes()}


def parse(path: Path) -> dict[str, float]:
    """The peer's: every line parsed."""
    start = time.perf_counter()
    with path.open(encoding="utf-8") as lines:
        n = sum(1 for line in lines if json.loads(line))
    return {"n": n, "seconds": time.perf_counter() - start, "megabytes": peak_megabytes()}


def measured(transcripts: int = TRANSCRIPTS) -> Found:
    """Both formats, each after a tenth of it."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "runs.jsonl"
        for kind in FORMATS:
            write(path, kind, max(1, transcripts // 10))
            _, few = module("readers", "--read", path)
            write(path, kind, transcripts)
            size = path.stat().st_size / 1e6
            _, ours = module("readers", "--read", path)
            _, bare = module("readers", "--parse", path)
            if not ours["n"] == bare["n"] == transcripts:
                raise RuntimeError(f"{kind}: {ours['n']} and {bare['n']} of {transcripts} were read")
            what = f"{transcripts:,} transcripts of 2 kB, {kind}"
            speed, peer = (size / found["seconds"] for found in (ours, bare))
            versus = "a loop of json.loads"
            rows += [
                Measured(what=f"reading {what}", value=speed, unit="MB/s", better="more", against=versus, peer=peer),
                Measured(what=f"peak memory of reading {what}", value=ours["megabytes"], unit="MB"),
                Measured(
                    what=f"that memory over that for a tenth of them, {kind}",
                    value=ours["megabytes"] / few["megabytes"],
                    unit="",
                    limit=GROWTH,
                ),
            ]
    return Found(rows=rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__)
    parser.add_argument("--transcripts", type=int, default=TRANSCRIPTS)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parse", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.read or options.parse:
        print(json.dumps(read(options.read) if options.read else parse(options.parse)))
        return
    for row in measured(options.transcripts).rows:
        print(row)


if __name__ == "__main__":
    main()
