"""From a harness's plain settings to what grades: graders in this process, or a warm ``harmrate serve``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.graders import choose_graders
from grader.grading import iter_rows
from grader.judge.setup import JudgeSetup
from grader.rubrics import load_rubrics
from grader.service.client import service_rows
from grader.store.store import Store
from grader.transcript import Transcript
from grader.verdict.records import Grader

Row = Mapping[str, Any]
# Transcripts in, rows of the verdict frame out.
RowSource = Callable[[Iterable[Transcript]], Iterable[Row]]

_JUDGE_SETTINGS = frozenset(f.name for f in fields(JudgeSetup)) - {
    "model",
    "others",
    "together",
    "transport",
    "max_failed",
}
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
    opened = list(graders) or open_graders(**settings)
    return partial(iter_rows, graders=opened)


def open_graders(
    *,
    judge: str | None = None,
    classifier: str | Path | None = None,
    rubrics: str | Path | None = None,
    harms: str | Sequence[str] | None = None,
    store: str | Path | None = None,
    keyword_gate: bool = False,
    **settings: Any,
) -> list[Grader]:
    """The judge, the classifier or both, from settings as a harness's file or command line gives them.

    Parameters
    ----------
    judge : str, optional
        Model id, or ``local:PATH.gguf``. Without it a judge is asked when a setting says which one
        (``base_url``, ``replies``, ``provider``), or when there is no other grader.
    classifier : path, optional
        Folder of a trained classifier.
    rubrics : path, optional
        Folder of rubrics of one's own.
    harms : sequence of str, or text with commas, optional
        Which harms the judge is asked (default: those that are asked by default).
    store : path, optional
        Where replies and embeddings are kept; without it nothing is kept.
    keyword_gate : bool
        Whether the public keyword gates take part.
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
    paths = {name: Path(settings[name]) for name in _PATHS & settings.keys() if settings[name] is not None}
    chosen: dict[str, Any] = settings | paths | ({} if judge is None else {"model": judge})
    asked = harms.split(",") if isinstance(harms, str) else harms
    setup = choose_graders(
        load_rubrics(rubrics, None if asked is None else [name.strip() for name in asked]),
        judge=JudgeSetup(**chosen),
        given={name: name for name in (*settings, *(() if judge is None else ("judge",)))},
        gate="keyword" if keyword_gate else "none",
        classifier=None if classifier is None else Path(classifier),
    )
    return setup.open(store=None if store is None else Store(store))


_NAMES = _JUDGE_SETTINGS | {"judge", "classifier", "rubrics", "harms", "store", "keyword_gate"}
