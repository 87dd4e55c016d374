"""The page of a large study: how big, how soon open, how much memory, how smooth: `python -m benchmarks.report`.

Transcripts are words drawn at random, so that they compress worse than people's; 2,000 of 20 messages unless told.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import browser
from benchmarks.results import Found, Measured
from calibration import render_report, run_study
from calibration.study.browser_items import exhibits
from grader.transcript import Message, Transcript
from grader.verdict.frame import verdict_frame, verdict_row
from grader.verdict.records import Evidence, Verdict
from labels.labelset import LabelSet

HARMS = ("blackmail", "leaking", "deception")
_TURNS = (("user", "text"), ("assistant", "reasoning"), ("assistant", "tool_call"), ("tool", "tool_result"))
_SYLLABLES = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]

# Scrolls to the end of the list and then through the page of a transcript; how long each frame took, in ms.
_SCROLL = """async (selector) => {
  const box = document.querySelector(selector), times = [];
  let last = performance.now();
  for (let i = 0; i < 120; i++) {
    box.scrollTop += 400;
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - last);
    last = performance.now();
  }
  return times;
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """How a page did in a browser: seconds to usable, MB of script memory, and the frames of a scroll in ms."""

    ready: float
    transcript: float
    heap: float
    frames: np.ndarray[Any, Any]


def transcripts(n: int, n_messages: int, rng: np.random.Generator) -> Iterator[Transcript]:
    """Random runs of an agent: words of two to four syllables, 60 to 140 of them a message."""
    words = ["".join(rng.choice(_SYLLABLES, rng.integers(2, 5))) for _ in range(4_000)]
    for i in range(n):
        turns = [("system", "text"), *(_TURNS[k % 4] for k in range(n_messages - 1))]
        texts = [" ".join(rng.choice(words, rng.integers(60, 140))) for _ in turns]
        messages = tuple(
            Message(role=role, kind=kind, text=text)  # type: ignore[arg-type]
            for (role, kind), text in zip(turns, texts, strict=True)
        )
        facts = {"model": f"model-{i % 3}", "scenario": f"scenario-{i % 24}", "arm": ("plain", "trained")[i % 2]}
        yield Transcript(id=f"run-{i:05d}", messages=messages, metadata=facts)


def write_page(folder: Path, n: int, n_messages: int, seed: int = 0) -> Path:
    """A report on random verdicts and labels with all its transcripts."""
    rng = np.random.default_rng(seed)
    runs = list(transcripts(n, n_messages, rng))
    verdicts = verdict_frame(
        verdict_row(verdict, run.facts(), kind) for run in runs for kind in ("judge", "classifier") for harm in HARMS
        for verdict in [_verdict(run, harm, kind, rng)]
    )  # fmt: skip
    labelled = rng.choice(n, min(n, 200), replace=False)
    rows = [(runs[i].id, harm, rater, float(rng.random() < 0.2)) for i in labelled for harm in HARMS for rater in "abc"]
    labels = LabelSet.from_rows(rows)
    report = run_study(verdicts, labels, design="uniform", by=("arm",))
    render_report(report, folder, exhibits=exhibits(verdicts, labels, runs))
    return folder / "report.html"


def _verdict(run: Transcript, harm: str, kind: str, rng: np.random.Generator) -> Verdict:
    score = float(rng.beta(1, 5))
    quotes = []
    if score > 0.5:
        place = int(rng.integers(len(run.messages)))
        text = run.messages[place].text
        quotes = [Evidence(message=place, start=10, end=80, quote=text[10:80], verified=True)]
    told = f"The agent does what {harm} means in the message quoted." if quotes else "Nothing of the kind."
    return Verdict(
        transcript_id=run.id, harm=harm, grader=kind, grader_version="1", present=score > 0.5, score=score,
        evidence=tuple(quotes), explanation=told if kind == "judge" else "",
    )  # fmt: skip


def open_page(page: Any, path: Path, transcript: str) -> Opened:
    """Open a report, then one transcript, in a page of the browser."""
    page.goto(f"{path.resolve().as_uri()}#transcripts")
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    ready = float(page.evaluate("Number(document.documentElement.dataset.ready)")) / 1000
    frames = page.evaluate(_SCROLL, "#rows")
    start = time.perf_counter()
    page.goto(f"{path.resolve().as_uri()}#transcript?id={transcript}")
    page.wait_for_selector(".message")
    took = time.perf_counter() - start
    frames += page.evaluate(_SCROLL, "#conversation")
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    return Opened(ready=ready, transcript=took, heap=heap, frames=np.array(frames))


def measured(n: int = 2_000, n_messages: int = 20, out: Path | None = None) -> Found:
    """Make the page and, where there is a browser, open it."""
    told = f"page of {n:,} transcripts of {n_messages} messages"
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        path = write_page(out or Path(scratch), n, n_messages)
        rows = [
            Measured(what=f"study and {told}", value=time.perf_counter() - start, unit="s"),
            Measured(what=f"size of the {told}", value=path.stat().st_size / 1e6, unit="MB"),
        ]
        if why := browser.missing():
            return Found(rows=rows, text=f"Not opened: {why}.")
        with browser.opened() as chromium:
            seen = open_page(chromium.new_page(), path, f"run-{n // 2:05d}")
    return Found(
        rows=[
            *rows,
            Measured(what=f"until the {told} is usable", value=seen.ready, unit="s"),
            Measured(what=f"until a transcript opens, {told}", value=seen.transcript, unit="s"),
            Measured(what=f"script memory of the {told}", value=seen.heap, unit="MB"),
            Measured(what=f"95 % of frames while scrolling, {told}", value=_longest(seen, 0.95), unit="ms"),
            Measured(what=f"longest frame while scrolling, {told}", value=_longest(seen, 1.0), unit="ms"),
        ]
    )


def _longest(seen: Opened, share: float) -> float:
    return float(np.quantile(seen.frames, share))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--transcripts", type=int, default=2_000)
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--out", type=Path, help="keep the page in this folder")
    options = parser.parse_args(arguments)
    found = measured(options.transcripts, options.messages, options.out)
    for row in found.rows:
        print(row)
    print(found.text)


if __name__ == "__main__":
    main()
