"""Raters under the names that people know them by."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from grader.errors import InputError

# Whoever gave an answer that names no account: its user was deleted, or the file never said.
UNKNOWN = "unknown"


def with_rater_names(
    rows: pd.DataFrame, names: Mapping[str, str], *, allow_unused: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with ``rater_name`` as `names` says, and the answers of no account as those of one rater.

    Parameters
    ----------
    rows : DataFrame
        With ``rater`` and, where known, ``rater_email``, ``rater_name``, ``source``, ``task``, ``annotation``.
    names : mapping
        A rater's id or e-mail -> the name to show.
    allow_unused : bool
        Whether `names` may name raters that do not occur.

    Raises
    ------
    InputError
        A name for a rater that there is not.
    """
    people = rows["source"] != "prediction" if "source" in rows else rows["rater"].notna()
    ids = rows["rater"].map(str, na_action="ignore").astype(object)
    emails = _known(rows[people], "rater_email")
    there = {*ids[people].dropna().unique(), *emails.values()}
    if not allow_unused and (strangers := [id_ for id_ in names if id_ not in there]):
        raise InputError(f"--raters names {strangers[0]!r}, who labelled nothing; there is {', '.join(sorted(there))}")
    if names:
        by_id = {id_: names[email] for id_, email in emails.items() if email in names} | dict(names)
        before = rows["rater_name"] if "rater_name" in rows else pd.Series(None, index=rows.index, dtype=object)
        rows = rows.assign(rater_name=ids.map(by_id).where(people).fillna(before))
    unknown = people & (ids == UNKNOWN)
    if not unknown.any():
        return rows, ()
    n = _annotations(rows[unknown])
    renamed = rows["rater"].astype(object).where(~unknown, f"{UNKNOWN} ({n})")
    note = f"{n} annotations name no account (deleted, or not exported): they count as one rater."
    return rows.assign(rater=renamed), (note,)


def shown_raters(frame: pd.DataFrame) -> dict[str, str]:
    """What to call each human of a LabelSet's frame: by name, else by e-mail where all have one; others keep their id.

    An export that gives the address of one rater only (who left a draft) shows all by their ids.
    """
    people = frame[frame["source"] != "prediction"]
    emails, named = _known(people, "rater_email"), _known(people, "rater_name")
    ids = {id_ for id_ in people["rater"].unique() if not str(id_).startswith(UNKNOWN)}
    shown = {**(emails if ids <= emails.keys() | named.keys() else {}), **named}
    taken = pd.Series(shown, dtype=object)
    alike = set(taken[taken.duplicated(keep=False)])
    return {id_: f"{name} ({id_})" if name in alike else name for id_, name in shown.items()}


def _known(rows: pd.DataFrame, column: str) -> dict[str, str]:
    if column not in rows:
        return {}
    known = rows[rows[column].notna() & (rows[column] != "")]
    return {str(id_): str(value) for id_, value in zip(known["rater"], known[column], strict=True)}


def _annotations(rows: pd.DataFrame) -> int:
    """How many annotations rows of one or several harms come from."""
    return int(rows["harm"].value_counts().max())
