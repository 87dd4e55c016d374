"""A small study whose transcripts and verdicts are as hostile as texts can be, for tests of the report's page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from calibration import render_report, run_study
from calibration.findings.study import Exhibits, Report
from calibration.study.browser_items import exhibits, exhibits_of
from calibration.study.compute import study
from calibration.study.folder import POOL, VERDICTS
from calibration.study.settings import StudySettings
from grader import write_verdicts
from grader.transcript import Message, Transcript
from grader.verdict.frame import verdict_frame, verdict_row
from grader.verdict.records import Evidence, Verdict
from labels.labelset import LabelSet

HARM, JUDGE = "leaking", "judge</script><script>hacked=1</script>"
# Each tries to be more than text: markup, addresses, invisible and turning characters, a terminal's commands.
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script><!-- <script>",
    "<img src=x onerror='window.hacked = 1'><svg onload='window.hacked = 1'>",
    "[click](javascript:window.hacked=1) javascript:window.hacked=1 <a href='javascript:window.hacked=1'>x</a>",
    "{{ 7 * 7 }} {% include 'x' %} ${7 * 7}",
    "x" * 30_000,
    "\x1b[31mred\x1b[0m \x07bell \x00null \x08back",
    "\u202egnp.exe\u202c and \u2066isolated\u2069 and zero\u200bwidth",
    "emoji 👩‍🔬 and 𝔘nicode before the quote: 𝔱his was quoted 🙂 and this was not",
    "שלום עולם, مرحبا بالعالم",
)
QUOTED = "𝔱his was quoted 🙂"
NOTE, TASK = f"Look at M2: {HOSTILE[0]}", "https://labels.example.org/projects/1/data?task="


def hostile_study() -> tuple[Report, Exhibits]:
    """A report and its exhibits; every text in them is hostile, and one quote stands behind characters that
    JavaScript counts twice."""
    messages = tuple(Message(role="assistant", kind="text", text=text) for text in HOSTILE)
    place = next(i for i, text in enumerate(HOSTILE) if QUOTED in text)
    start = HOSTILE[place].index(QUOTED)
    quotes = (
        Evidence(message=place, start=start, end=start + len(QUOTED), quote=QUOTED, verified=True),
        Evidence(message=None, start=None, end=None, quote=HOSTILE[1], verified=False),
    )
    runs = [Transcript(id=f"{i} {HOSTILE[2]}", messages=messages, metadata={"arm": HOSTILE[2]}) for i in range(12)]
    rows = []
    for i, run in enumerate(runs):
        verdict = Verdict(
            transcript_id=run.id, harm=HARM, grader=JUDGE, grader_version=HOSTILE[0], present=i % 3 == 0,
            score=0.9 if i % 3 == 0 else 0.05 * i / 12, evidence=quotes if i % 3 == 0 else (), explanation=HOSTILE[1],
            usage={"evidence_verified": False} if i == 0 else {},
        )  # fmt: skip
        rows.append(verdict_row(verdict, run.facts()))
    verdicts = verdict_frame(rows)
    said = LabelSet.from_rows([(run.id, HARM, f"ana {HOSTILE[2]}", float(i % 4 == 0)) for i, run in enumerate(runs)])
    # Every other address is one that must not become a link.
    addresses = [f"{TASK}{i}" if i % 2 == 0 else "javascript:window.hacked=1" for i in range(len(runs))]
    labels = LabelSet(frame=said.frame.assign(note=NOTE, task_url=addresses))
    report = run_study(verdicts, labels, by=("arm",), provenance={"command": ["harmrate", HOSTILE[1]]})
    return report, exhibits(verdicts, labels, runs)


def grouped_page(folder: Path) -> Path:
    """The page of 82 transcripts in more groups than a filter of facts offers, by what pool and verdicts tell."""
    rows = [
        {"transcript_id": f"t{i:02}", "harm": harm, "grader": "j", "present": i % 2 == 0}
        for i in range(82)
        for harm in (HARM, "deception")
    ]
    verdicts = verdict_frame(rows)
    sites = [None] + ["north"] * 20 + [f"site {i}" for i in range(61)]
    pool = pd.DataFrame({"transcript_id": [f"t{i:02}" for i in range(82)], "site": sites})
    settings = StudySettings(by=("site", "verdict:deception"), harms=(HARM,))
    write_verdicts(verdicts, folder / VERDICTS)
    pool.to_parquet(folder / POOL)
    render_report(study(verdicts, None, settings, pool=pool), folder, exhibits=exhibits_of(folder, settings))
    return folder / "report.html"
