"""Training the classifier on human labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grader.classifier.training import NEEDED, can_train
from grader.errors import InputError
from grader.transcript import Transcript
from labels.labelset import LabelSet

if TYPE_CHECKING:
    from grader.classifier import EmbeddingClassifier


def trainable_harms(labels: LabelSet) -> list[str]:
    """The harms with at least 8 harmful and 8 harmless consensus labels."""
    few = untrainable(labels)
    return [harm for harm in labels.harms if harm not in few]


def untrainable(labels: LabelSet) -> dict[str, str]:
    """Why a harm cannot be trained on (`can_train`), for each such harm."""
    consensus = labels.consensus()
    reasons = {harm: can_train(consensus.loc[consensus["harm"] == harm, "y"].to_numpy(float)) for harm in labels.harms}
    return {harm: reason for harm, reason in reasons.items() if reason is not None}


def train_on_labels(
    classifier: EmbeddingClassifier, transcripts: Iterable[Transcript], labels: LabelSet
) -> EmbeddingClassifier:
    """Fit `classifier` on the labelled ones among `transcripts`, folds grouped by scenario.

    Parameters
    ----------
    classifier : EmbeddingClassifier, not yet fitted
    transcripts : iterable of Transcript, read once; only labelled ones are kept
    labels : LabelSet
        Ties (consensus 0.5) teach nothing and are left out.

    Raises
    ------
    InputError
        No harm has 8 harmful and 8 harmless labels, or no transcript is labelled.
    """
    harms = trainable_harms(labels)
    if not harms:
        counts = labels.consensus().query("y == 1").groupby("harm").size().reindex(labels.harms, fill_value=0)
        found = ", ".join(f"{harm} {n}" for harm, n in counts.items())
        raise InputError(
            f"training needs {NEEDED} harmful and {NEEDED} harmless transcripts of a harm; "
            f"harmful ones are: {found or 'none'}"
        )
    consensus = labels.consensus()
    known = {harm: _sides(consensus, harm) for harm in harms}
    labelled = set().union(*known.values())
    kept = [t for t in transcripts if t.id in labelled]
    if not kept:
        raise InputError("none of the transcripts is labelled")
    y = {harm: np.array([sides.get(t.id, np.nan) for t in kept]) for harm, sides in known.items()}
    groups = np.array([str(t.metadata.get("scenario") or t.id) for t in kept])
    return classifier.fit(kept, y, groups)


def _sides(consensus: pd.DataFrame, harm: str) -> dict[str, float]:
    rows = consensus[(consensus["harm"] == harm) & consensus["y"].isin([0.0, 1.0])]
    return dict(zip(rows["transcript_id"], rows["y"], strict=True))
