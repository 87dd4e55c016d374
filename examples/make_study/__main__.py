"""Make the simulated study: ``python -m examples.make_study [FOLDER]``.

The labels are held in a real Label Studio where one is installed (``HARMRATE_LABEL_STUDIO`` names its command);
otherwise the export that is there is kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from examples.make_study import HARMS, SEED
from examples.make_study.judge import MODEL, judge_runs
from examples.make_study.plan import plan_study
from examples.make_study.raters import RATERS, incidents, vote_table
from examples.make_study.readme import study_readme
from examples.make_study.runs import Run, write_runs
from grader.grading import grade
from grader.judge import LLMJudge
from grader.judge.clients.replay import ReplayClient
from grader.rubrics import load_rubrics
from labels import draw_sample, label_config
from labels.label_studio.tasks import tasks

FOLDER = Path(__file__).parent.parent / "study"
N_LABELLED = 150
# More of the labels on flagged runs than their share of a quarter: some 30 harmful ones to train the classifier on.
DESIGN = "flagged-40"


def main(folder: Path = FOLDER) -> None:
    """Write every file of the study into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    runs, votes, design = write_study(folder)
    export = _label(runs, votes, design)
    if export is None:
        there = (folder / "labels.json").exists()
        print("No Label Studio found: labels.json is", "kept as it is." if there else "missing.", file=sys.stderr)
    else:
        (folder / "labels.json").write_bytes(export)


def write_study(folder: Path) -> tuple[list[Run], pd.DataFrame, pd.DataFrame]:
    """Write all that follows from the seed alone; runs, votes and design frame are returned."""
    runs = sorted(write_runs(plan_study(SEED), SEED), key=lambda run: run.plan.id)
    _write_lines(folder / "transcripts.jsonl", (run.transcript.to_dict() for run in runs))
    _write_lines(folder / "replies.jsonl", judge_runs(runs, SEED))
    votes = vote_table(runs, SEED)
    votes.to_csv(folder / "votes.csv", index=False, lineterminator="\n")
    verdicts = judge_verdicts(folder, runs)
    design = draw(verdicts, np.random.default_rng([SEED, 8]))
    design.to_csv(folder / "design.csv", index=False, lineterminator="\n")
    (folder / "label_config.xml").write_text(label_config(load_rubrics()), encoding="utf-8")
    (folder / "README.md").write_text(study_readme(runs, votes, verdicts), encoding="utf-8")
    return runs, votes, design


def judge_verdicts(folder: Path, runs: Sequence[Run]) -> pd.DataFrame:
    """The verdict frame that follows from the recorded replies."""
    judge = LLMJudge(ReplayClient(folder / "replies.jsonl"), MODEL, rubrics=load_rubrics())
    verdicts = grade((run.transcript for run in runs), [judge])
    return verdicts.sort_values(["transcript_id", "harm"], ignore_index=True)


def draw(verdicts: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One drawn set for all harms: the design frame over all transcripts."""
    return draw_sample(verdicts, N_LABELLED, design=DESIGN, rng=rng, harms=HARMS)


def _label(runs: Sequence[Run], votes: pd.DataFrame, design: pd.DataFrame) -> bytes | None:
    from tests.label_studio_server import find_label_studio

    if find_label_studio() is None:
        return None
    from examples.make_study.campaign import annotations_of, label_in_label_studio

    drawn = set(design.loc[design["drawn"], "transcript_id"])
    chosen = [run for run in runs if run.plan.id in drawn]
    trouble = incidents(sorted(drawn), SEED)
    work = {rater.email: annotations_of(rater.email, chosen, votes, trouble, SEED) for rater in RATERS}
    given = list(tasks((run.transcript for run in chosen), design))
    with tempfile.TemporaryDirectory() as data:
        return label_in_label_studio(Path(data), label_config(load_rubrics()), given, work)


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
