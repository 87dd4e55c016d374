"""Jobs between transcripts and labels: draw what to label, and train the classifier on what was labelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from calibration.study.inputs import Sources, check_labels
from grader.classifier import EmbeddingClassifier
from grader.errors import InputError
from grader.files import write_text
from grader.metadata import metadata_frame
from grader.progress import Track, untracked
from grader.rubrics import load_rubrics
from grader.scores import grader_scores
from grader.verdict_files import read_verdicts
from labels.designs import draw_sample, read_design, write_design
from labels.label_studio import label_config, write_tasks
from labels.training import train_on_labels

TASKS, DESIGN, CONFIG = "tasks.json", "design.csv", "label_config.xml"


def train_classifier(
    classifier: EmbeddingClassifier, sources: Sources, track: Track = untracked
) -> EmbeddingClassifier:
    """Fit `classifier` on the labelled transcripts of `sources`.

    Raises
    ------
    InputError
        No labels, labels of unknown transcripts, too few of them.
    """
    labels = sources.read_labels()
    if labels is None:
        raise InputError("no labels: name an export or a table with --labels")
    pool = sources.read_pool(track)
    if pool is None:
        raise InputError("no transcripts: name files or folders")
    check_labels(labels, pool, sources.labels)
    return train_on_labels(classifier, track(sources.read_transcripts(), "training"), labels)


def sample_for_labelling(
    sources: Sources,
    n: int,
    folder: Path,
    *,
    design: str = "uniform",
    round: int = 1,
    earlier: Path | None = None,
    rubrics: Path | None = None,
    seed: int = 0,
    track: Track = untracked,
) -> int:
    """Draw `n` transcripts and write tasks, labelling page and design frame into `folder`.

    Parameters
    ----------
    sources : Sources
        Transcripts, and verdicts where the design stratifies by them.
    n : int
    folder : path
    design, round : as in `labels.draw_sample`
    earlier : path, optional
        Design frame of the rounds before.
    rubrics : path, optional
        Folder of the user's own.
    seed : int
    track : Track

    Returns
    -------
    int
        How many tasks were written: blind, without verdicts, strata or metadata.

    Raises
    ------
    InputError
        The design needs verdicts that are not there, or more transcripts than there are.
    """
    wanted = load_rubrics(rubrics)
    by_disagreement = design.startswith("disagree-")
    pool = metadata_frame(track(sources.read_transcripts(), "reading transcripts"))[["transcript_id"]]
    candidates = _candidates(pool, sources, list(wanted))
    try:
        frame = draw_sample(
            candidates if by_disagreement else _of_the_judge(candidates),
            n,
            design=design,
            round=round,
            rng=np.random.default_rng(seed),
            harms=list(wanted),
            earlier=None if earlier is None else read_design(earlier),
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    folder.mkdir(parents=True, exist_ok=True)
    write_design(frame, folder / DESIGN)
    write_text(folder / CONFIG, label_config(wanted))
    return write_tasks(sources.read_transcripts(), frame, folder / TASKS)


def _candidates(pool: pd.DataFrame, sources: Sources, harms: list[str]) -> pd.DataFrame:
    """Every transcript with what each grader says of each harm; the judge first."""
    if sources.verdicts is None:
        return pool
    scores = grader_scores(read_verdicts(sources.verdicts))
    scores = scores[scores["harm"].isin(harms)]
    said = scores.assign(flagged=scores["side"].map({1.0: True, 0.0: False}).astype(object))
    return pool.merge(said[["transcript_id", "harm", "grader", "grader_kind", "flagged"]], how="left")


def _of_the_judge(candidates: pd.DataFrame) -> pd.DataFrame:
    """The rows of the judge, or of the first grader where there is none; transcripts it said nothing of stay."""
    if "grader" not in candidates:
        return candidates
    known = candidates.dropna(subset=["grader"])
    judges = known[known["grader_kind"] == "judge"]
    first = judges if len(judges) else known
    own = candidates["grader"] == (first["grader"].iloc[0] if len(first) else None)
    pool = candidates[["transcript_id"]].drop_duplicates()
    return pool.merge(candidates.loc[own, ["transcript_id", "flagged"]], how="left")
