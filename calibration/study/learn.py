"""Train the classifier on labels or on a judge's verdicts; with too few labels rank by the rubric's own examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from calibration.study.inputs import Sources, load
from grader.classifier import EmbeddingClassifier
from grader.classifier.similarity import rank_by_examples
from grader.classifier.training import NEEDED, can_train
from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.files.cells import write_csv
from grader.progress import Track, track_task, untracked
from grader.rubrics import load_rubrics
from grader.verdict.scores import grader_scores
from labels.labelset import LabelSet
from labels.train import train_on_labels, trainable_harms

RANKING = "ranking.csv"
# How many transcripts of a ranking are told on a terminal.
_TOLD = 20


def learn(
    classifier: EmbeddingClassifier,
    sources: Sources,
    folder: Path,
    *,
    rubrics: Path | None = None,
    track: Track = untracked,
) -> str:
    """Train `classifier` and save it to `folder`, or write a ranking there where the labels are too few.

    Parameters
    ----------
    classifier : EmbeddingClassifier, not yet fitted
    sources : Sources
        Labels, else verdicts: a judge's, whose sides are then learned as if they were labels.
    folder : path
    rubrics : path, optional
        Folder of the user's own.
    track : Track

    Returns
    -------
    str
        The model card; or that there are fewer than 8 positives and the head of ``ranking.csv``: ``transcript_id,
        harm, score``, the most similar to the rubric's harmful examples first (`rank_by_examples`).

    Raises
    ------
    InputError
        Neither labels nor verdicts, or of unknown transcripts; a judge with too few of a side; enough positives, yet
        too few negatives.
    """
    if not sources.transcripts:
        raise InputError("no transcripts: name files or folders")
    data = load(sources, track=track)
    labels = data.labels
    if labels is None:
        _train_on_judge(classifier, sources, data.verdicts, track)
    else:
        if few := _few_positives(labels):
            ranking = _ranking(classifier, sources, labels, rubrics, track)
            with written_whole(folder / RANKING) as partial:
                write_csv(ranking, partial)
            return _told(few, ranking, folder / RANKING)
        track_task(track, "training", lambda: train_on_labels(classifier, sources.read_transcripts(), labels))
    classifier.save(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def _train_on_judge(
    classifier: EmbeddingClassifier, sources: Sources, verdicts: pd.DataFrame | None, track: Track
) -> None:
    if verdicts is None:
        raise InputError("no labels: name an export or a table with --labels, or a judge's --verdicts")
    scores = grader_scores(verdicts)
    scores = scores[scores["grader_kind"] == "judge"]
    graders = sorted(scores["grader"].unique())
    if len(graders) != 1:
        raise InputError(f"training takes the verdicts of one judge, these are of {', '.join(graders) or 'none'}")
    sides = scores.pivot(index="transcript_id", columns="harm", values="side")
    kept = [t for t in track(sources.read_transcripts(), "reading transcripts") if t.id in sides.index]
    rows = sides.loc[[t.id for t in kept]]
    reasons = {str(harm): can_train(rows[harm].to_numpy(dtype=float)) for harm in rows}
    learned = {harm: rows[harm].to_numpy(dtype=float) for harm, reason in reasons.items() if reason is None}
    if not learned:
        raise InputError("; ".join(f"{harm}: {reason}" for harm, reason in reasons.items()) or "no verdicts")
    track_task(track, "training", lambda: classifier.fit(kept, learned, trained_on="judge"))


def _few_positives(labels: LabelSet) -> dict[str, int]:
    """Positives by harm where every harm has too few of them to train; else nothing."""
    if trainable_harms(labels):
        return {}
    positive = labels.consensus().query("y == 1").groupby("harm").size()
    counts = {harm: int(positive.get(harm, 0)) for harm in labels.harms}
    return counts if all(n < NEEDED for n in counts.values()) else {}


def _ranking(
    classifier: EmbeddingClassifier, sources: Sources, labels: LabelSet, rubrics: Path | None, track: Track
) -> pd.DataFrame:
    known = load_rubrics(rubrics)
    wanted = [harm for harm in labels.harms if harm in known]
    if not wanted:
        raise InputError(f"no rubric of {', '.join(labels.harms)} whose examples transcripts could be compared with")
    parts = []
    for harm in wanted:
        transcripts = track(sources.read_transcripts(), f"ranking by {harm}")
        ranked = rank_by_examples(transcripts, known[harm], classifier.encoder_, store=classifier.store)
        parts.append(pd.DataFrame(ranked, columns=["transcript_id", "score"]).assign(harm=harm))
    table = pd.concat(parts, ignore_index=True)[["transcript_id", "harm", "score"]]
    return table.assign(score=np.round(table["score"], 4))


def _told(few: dict[str, int], ranking: pd.DataFrame, file: Path) -> str:
    counts = ", ".join(f"{harm} {n}" for harm, n in few.items())
    head = ranking.groupby("harm", sort=False).head(_TOLD).to_string(index=False)
    return (
        f"Nothing was trained: training needs {NEEDED} harmful transcripts of a harm; harmful ones are: {counts}.\n"
        f"Instead {file} ranks the transcripts by similarity to the rubric's own examples.\n"
        "A score is not a probability, and labels of the first ones alone estimate no rate: "
        "they are to find positives to train on.\n\n"
        f"{head}\n"
    )
