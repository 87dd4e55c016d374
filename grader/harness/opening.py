"""From a harness's plain settings to what grades: graders in this process, or a warm ``harmrate serve``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from grader.classifier import EmbeddingClassifier
from grader.errors import InputError
from grader.grading import iter_rows
from grader.harness.service_client import service_rows
from grader.judge.setup import JudgeSetup, open_judge
from grader.rubrics import load_rubrics
from grader.store import Store
from grader.transcript import Transcript
from grader.verdict import Grader

Row = Mapping[str, Any]
# Transcripts in, rows of the verdict frame out.
RowSource = Callable[[Iterable[Transcript]], Iterable[Row]]

_JUDGE_SETTINGS = frozenset(f.name for f in fields(JudgeSetup)) - {"model", "others", "together", "transport"}
_PATHS = frozenset({"replies", "prices"})


def open_rows(graders: Sequence[Grader] = (), *, url: str | None = None, **settings: Any) -> RowSource:
    """What turns transcripts into verdict rows, opened once and asked often.

    Parameters
    ----------
    graders : sequence of Grader
        Graders that are already there; nothing else is opened then.
    url : str, optional
        A running ``harmrate serve``; its graders grade, and `settings` must be empty.
    settings
        As `open_graders` takes them.

    Raises
    ------
    InputError
        An unknown setting, settings beside `url` or `graders`, and whatever `open_graders` refuses.
    """
    if settings and (url or graders):
        raise InputError(f"{min(settings)} cannot be set here: the graders are already chosen")
    if url:
        return partial(service_rows, url)
    return partial(iter_rows, graders=list(graders) or open_graders(**settings))


def open_graders(
    *,
    judge: str | None = None,
    classifier: str | Path | None = None,
    rubrics: str | Path | None = None,
    harms: str | Sequence[str] | None = None,
    store: str | Path | None = None,
    **settings: Any,
) -> list[Grader]:
    """The judge, the classifier or both, from settings as a harness's file or command line gives them.

    Parameters
    ----------
    judge : str, optional
        Model id, or ``local:PATH.gguf``. The default judge when there is no classifier either.
    classifier : path, optional
        Folder of a trained classifier.
    rubrics : path, optional
        Folder of rubrics of one's own.
    harms : sequence of str, or text with commas, optional
        Which harms the judge is asked (default: those that are asked by default).
    store : path, optional
        Where replies and embeddings are kept; without it nothing is kept.
    settings
        Of the judge, under their names in `grader.judge.setup.JudgeSetup`: ``base_url``, ``replies``, ``repeats``, ...

    Returns
    -------
    list of Grader
        The judge first.

    Raises
    ------
    InputError
        An unknown setting or harm, no credentials, a classifier that cannot be loaded.
    """
    if unknown := sorted(set(settings) - _JUDGE_SETTINGS):
        raise InputError(f"no setting {unknown[0]!r}; there are {', '.join(sorted(_NAMES))}")
    kept = None if store is None else Store(store)
    graders: list[Grader] = []
    if judge is not None or classifier is None:
        asked = harms.split(",") if isinstance(harms, str) else harms
        own: dict[str, Any] = {name: Path(v) if name in _PATHS and v is not None else v for name, v in settings.items()}
        if judge is not None:
            own["model"] = judge
        named = load_rubrics(rubrics, None if asked is None else [name.strip() for name in asked])
        graders.append(open_judge(JudgeSetup(**own), named, store=kept))
    if classifier is not None:
        graders.append(EmbeddingClassifier.load(classifier, store=kept))
    return graders


_NAMES = _JUDGE_SETTINGS | {"judge", "classifier", "rubrics", "harms", "store"}
