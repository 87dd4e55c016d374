"""How long commands take to start: `harmrate --help`, `harmrate rate` on a small file; Scout and Inspect beside.

    HARMRATE_HARNESSES=FOLDER python -m benchmarks.startup [--rounds 7]

`FOLDER/inspect/bin` holds `inspect` and `scout` (`make test-slow` makes it). Commands take turns; medians are told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.children import Ran, Skipped, run
from benchmarks.results import Found, Measured
from grader.verdict.frame import typed
from grader.verdict.read import write_verdicts
from labels.sampling.designs import draw_sample, write_design

ROUNDS = 7
HELP_SECONDS = 0.3
TRANSCRIPTS, LABELED = 200, 60


def harness_folder() -> Path | None:
    """Where the commands of Inspect and Scout are; None where they are not."""
    folder = Path(os.environ.get("HARMRATE_HARNESSES", Path(sys.prefix) / "harness")) / "inspect" / "bin"
    return folder if (folder / "scout").is_file() and (folder / "inspect").is_file() else None


def inspect_python() -> Path:
    """A Python that has inspect-ai and inspect-scout.

    Raises
    ------
    Skipped
        There is none.
    """
    folder = harness_folder()
    if folder is None:
        raise Skipped("no environment with Inspect and Scout: name a folder of them with HARMRATE_HARNESSES")
    return folder / "python"


def write_study(folder: Path) -> list[str]:
    """A small pool with labels; the command that rates it."""
    import pandas as pd

    rng = np.random.default_rng(0)
    ids = [f"t{i:03}" for i in range(TRANSCRIPTS)]
    harmful = rng.random(TRANSCRIPTS) < 0.1
    rows = pd.DataFrame({"transcript_id": ids, "harm": "leaking", "grader": "judge", "present": harmful})
    write_verdicts(typed(rows.assign(outcome="scored")), folder / "verdicts.parquet")
    design = draw_sample(rows, LABELED, design="flagged-25", rng=rng, harms=["leaking"])
    write_design(design, folder / "design.csv")
    drawn = design[design["drawn"]].merge(rows, on="transcript_id")
    labels = pd.DataFrame({"transcript_id": drawn["transcript_id"], "harm": "leaking", "rater": "ana"})
    labels.assign(label=drawn["present"].astype(float)).to_csv(folder / "labels.csv", index=False)
    return ["rate", "--verdicts", "verdicts.parquet", "--labels", "labels.csv", "--design", "design.csv", "--json"]


def median(ran: Sequence[Ran]) -> float:
    """Median seconds on the clock."""
    return statistics.median(one.seconds for one in ran)


def measured(rounds: int = ROUNDS) -> Found:
    """All commands, in turns."""
    python, theirs = Path(sys.executable), harness_folder()
    ours = [str(python.parent / "harmrate")]
    with tempfile.TemporaryDirectory() as scratch:
        commands = {"harmrate --help": [*ours, "--help"], "harmrate rate": [*ours, *write_study(Path(scratch))]}
        if theirs is not None:
            commands |= {f"{name} --help": [str(theirs / name), "--help"] for name in ("scout", "inspect")}
        for command in commands.values():
            run(command, folder=Path(scratch))  # compiles and caches
        taken: dict[str, list[Ran]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                taken[name].append(run(command, folder=Path(scratch)))
    seconds = {name: median(ran) for name, ran in taken.items()}
    small = f"harmrate rate, {TRANSCRIPTS} verdicts, {LABELED} labels"
    rows = [
        Measured(what="harmrate --help", value=seconds["harmrate --help"], unit="s", limit=HELP_SECONDS),
        Measured(what=small, value=seconds["harmrate rate"], unit="s"),
    ]
    for name in ("scout --help", "inspect --help"):
        if name in seconds:
            for what, own in (("harmrate --help", "harmrate --help"), (small, "harmrate rate")):
                told = f"{what}, against {name}"
                rows.append(Measured(what=told, value=seconds[own], unit="s", against=name, peer=seconds[name]))
    text = "" if theirs else "Inspect and Scout were not there: name a folder of them with HARMRATE_HARNESSES."
    return Found(rows=rows, text=text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    found = measured(parser.parse_args(arguments).rounds)
    for row in found.rows:
        print(row)
    print(found.text)


if __name__ == "__main__":
    main()
