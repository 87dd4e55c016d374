"""How many of another judge's quotes can be found in its transcripts, and how: a check of our evidence search.

The Bloom judge quoted passages of 40 conversations in its highlights; each is looked up in the transcript that it was
taken from.

    python -m benchmarks.quotes FOLDER [--show 20]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.results import Found, Measured
from grader.judge.evidence import Located, locate_quotes
from grader.readers import read_transcripts
from grader.transcript import Transcript


def quoted(folder: Path) -> Iterator[tuple[Transcript, str]]:
    """Each highlight of every ``judgment.json`` below `folder`, with its transcript."""
    for file in sorted(folder.rglob("judgment.json")):
        for judgment in json.loads(file.read_text(encoding="utf-8"))["judgments"]:
            name = f"transcript_v{judgment['variation_number']}r{judgment['repetition_number']}.json"
            transcript = next(read_transcripts(file.parent / name))
            for highlight in judgment["highlights"]:
                yield transcript, highlight["quoted_text"]


def located(folder: Path) -> Iterator[tuple[Transcript, Located]]:
    """The same, looked up; no message number is given, as the judge gave none."""
    for transcript, quote in quoted(folder):
        (found,) = locate_quotes([(0, quote)], transcript.messages)
        yield transcript, found


def measured(folder: Path) -> Found:
    """Shares of the quotes by kind of match."""
    rows = list(located(folder))
    counts = Counter(found.match for _, found in rows)
    told = f"of {len(rows)} quotes of Bloom's judge"
    return Found(
        rows=[Measured(what=f"{kind}, {told}", value=n, unit="", better="neither") for kind, n in counts.most_common()]
    )


def main() -> None:
    """Print shares by kind of match, and some pairs to read by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=20)
    options = parser.parse_args()
    rows = list(located(options.folder))
    counts = Counter(found.match for _, found in rows)
    for kind, n in counts.most_common():
        print(f"{kind}: {n} of {len(rows)} ({n / len(rows):.1%})")
    for transcript, found in rows[:: max(1, len(rows) // max(1, options.show))][: options.show]:
        e = found.evidence
        text = "" if e.message is None else transcript.messages[e.message].text[e.start : e.end]
        print(f"\n{transcript.id}: {found.match}, {found.speaker}, {found.channel}")
        print(f"  quote: {e.quote[:150]!r}\n  found: {text[:150]!r}")


if __name__ == "__main__":
    main()
