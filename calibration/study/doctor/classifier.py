"""A trained classifier looked at by itself: what it learned from, how good that made it, what changed since."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calibration.findings.diagnosis import Check, Level
from grader.classifier.gate import Use
from grader.classifier.loading import find_model
from grader.classifier.saving import load_parts
from grader.classifier.training import HarmModel


def examine_classifier(artifact: Path) -> tuple[Check, ...]:
    """What is to be known before the classifier in `artifact` is used.

    Parameters
    ----------
    artifact : path
        The folder that `EmbeddingClassifier.save` wrote. Its embedding model is not loaded.

    Returns
    -------
    tuple of Check
        Training, installation, and per harm how good its scores are out of fold and what its threshold reaches.

    Raises
    ------
    InputError
        No such artifact, or one that was tampered with.
    """
    parts = load_parts(artifact, model=None, harms=None)
    harms = sorted(parts.harms.items())
    found = [_training(parts.metadata), *_grouping(parts.metadata), _installed(parts.differences)]
    found += [check for harm, model in harms for check in _harm(harm, model)]
    found += _model(str(parts.metadata["model"]))
    return tuple(found)


def _training(metadata: dict[str, Any]) -> Check:
    n = metadata["n_transcripts"]
    if metadata["trained_on"] == "judge":
        return Check(
            level="warning",
            topic="training",
            told=f"It learned from a judge's verdicts on {n} transcripts: it repeats the judge's errors.",
            advice="take it to sort transcripts, and label some for the rate.",
        )
    return Check(level="fine", topic="training", told=f"It learned from human labels of {n} transcripts.")


def _grouping(metadata: dict[str, Any]) -> Iterator[Check]:
    if metadata["grouping"] != "scenario":
        yield Check(
            level="note",
            topic="folds",
            told="Folds held out single transcripts, not scenarios: on a new scenario it may do worse than told here.",
        )


def _installed(differences: Sequence[str]) -> Check:
    if not differences:
        return Check(level="fine", topic="versions", told="It was made with the versions that are installed.")
    return Check(
        level="warning",
        topic="versions",
        told=f"It was made differently: {'; '.join(differences)}.",
        advice="train it again, or install those versions.",
    )


def _model(name: str) -> Iterator[Check]:
    if not Path(find_model(name)).is_dir():
        yield Check(
            level="note",
            topic="embedding model",
            told=f"{name} is not a folder here: it is looked up on the hub when the classifier is used.",
        )


def _harm(harm: str, model: HarmModel) -> Iterator[Check]:
    gate = model.gate
    basis = f"{model.n_positive} harmful of {model.n} labels, {model.metrics['n_groups']} groups"
    skill = f"AUROC {_interval(gate.known_scenario)} on known scenarios, {_interval(gate.new_scenario)} on a new one"
    yield Check(
        level=_LEVELS[gate.use],
        topic="may it grade?",
        told=f"{harm}: {gate.use}; {gate.reason}. Out of fold: {skill}; {basis}.",
        advice=_ADVICE[gate.use],
    )
    for warning in gate.warnings:
        yield Check(level="warning", topic="labels", told=f"{harm}: {warning}.")
    if model.metrics["better_than_words"][1] <= 0:
        yield Check(
            level="note",
            topic="against plain words",
            told=f"{harm}: its AUROC is {_interval(model.metrics['better_than_words'])} above that of TF-IDF.",
        )
    reached = model.metrics["threshold"]
    yield Check(
        level="note",
        topic="threshold",
        told=(
            f"{harm}: present from {model.threshold:.3f} up; thresholds chosen so on other folds have sensitivity "
            f"{_interval(reached['sensitivity'])}, specificity {_interval(reached['specificity'])}, "
            f"precision {_interval(reached['precision'])}."
        ),
    )


_LEVELS: dict[Use, Level] = {"grades": "fine", "ranks only": "warning", "not used": "warning"}
_ADVICE: dict[Use, str] = {
    "grades": "",
    "ranks only": "use its scores to order and stratify samples, and the judge for verdicts.",
    "not used": "label more transcripts, of more scenarios, or use the judge alone.",
}


def _interval(value: Sequence[float]) -> str:
    """Value and limits, three digits; no limits where they are not defined.

    Examples
    --------
    >>> _interval((0.912, 0.85, 0.95)), _interval((1.0, float("nan"), float("nan")))
    ('0.912 (0.850 to 0.950)', '1.000')
    """
    point, low, high = value
    return f"{point:.3f}" if math.isnan(low) else f"{point:.3f} ({low:.3f} to {high:.3f})"
