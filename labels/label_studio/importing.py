"""An export into a history of labels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from grader.errors import InputError
from labels.history import Growth, current, grow
from labels.label_studio.pull import history_rows
from labels.label_studio.read import read_rows
from labels.labelset import LabelSet
from labels.meaning import LabelMeaning
from labels.rater_names import with_rater_names


def import_labels(
    export: Path, out: Path, meaning: LabelMeaning | None = None, *, project: str = "import"
) -> tuple[Growth, tuple[str, ...]]:
    """Add the labels of an export, of whatever format, to the history in `out`.

    Parameters
    ----------
    export : path
    out : path
        The history; made when it is not there.
    meaning : LabelMeaning, optional
        How the export is to be read.
    project : str
        What tells this project's annotations from others': a later export of the same project goes under the same name.

    Returns
    -------
    Growth, and notes for a person
        An export may show a part of its project only: a task that is not in it stays as it was. An annotation that is
        gone from a task that is in it was deleted.

    Raises
    ------
    InputError
        As `labels.read_label_studio`; `out` is no history; the grown history could not be read. Then nothing is
        written.
    """
    meaning = meaning or LabelMeaning()
    rows = read_rows(export, meaning)
    _, named = with_rater_names(rows.frame, meaning.raters, allow_unused=meaning.allow_unused)
    notes = [*rows.notes, *named]

    def check(history: pd.DataFrame) -> None:
        try:
            notes.extend(LabelSet(frame=current(history)).notes)
        except InputError as error:
            raise InputError(error.reason, file=export, record=error.record) from None

    told = history_rows(rows.frame, project, names=meaning.raters)
    shown = set() if rows.is_flat else set(rows.frame["task"])
    growth = grow(out, told, shown=(project, shown), check=check)
    return growth, tuple(dict.fromkeys(notes))
