"""Train the classifier on what was labelled."""

from __future__ import annotations

from calibration.study.inputs import Sources, check_labels
from grader.classifier import EmbeddingClassifier
from grader.errors import InputError
from grader.progress import Track, untracked
from labels.training import train_on_labels


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
