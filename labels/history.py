"""A table of labels that only grows: every version that was ever pulled, and the present state of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from grader.errors import InputError
from grader.files.atomic import unwritable, written_whole
from grader.files.parquet import read_parquet_frame

# What a label is, over all its versions. `kind` is annotation, draft or prediction: each has numbers of its own.
IDENTITY = ["project", "kind", "annotation", "harm"]
# What a version says; a pull that finds the same again adds nothing.
SAID = [
    "transcript_id",
    "rater",
    "label",
    "status",
    "source",
    "round",
    "seconds",
    "updated_at",
    "result",
    "note",
    "held",
    "gone",
]
COLUMNS = [
    *IDENTITY, *SAID, "created_at", "rater_email", "task", "task_url", "updated_by", "content_hash", "prelabelled",
    "rater_name", "stage", "confidence", "spans", "pulled_at",
]  # fmt: skip
_TYPES = {
    "label": "float64",
    "seconds": "float64",
    "confidence": "float64",
    "round": "int64",
    "gone": "bool",
    "prelabelled": "bool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a pull added: labels never seen before, new versions of known ones, and those that vanished."""

    new: int
    changed: int
    gone: int
    frame: pd.DataFrame


def current(history: pd.DataFrame) -> pd.DataFrame:
    """The labels that count: the last pulled version of each.

    A label that vanished from the server stays as it was, unless its rater gave another for the same transcript and
    round. One that is ``held`` back (its task was edited, its transcript is not of the pool) does not count.
    """
    last = _typed(history).drop_duplicates(IDENTITY, keep="last")
    last = last[last["held"] == ""]
    place = ["project", "kind", "transcript_id", "harm", "rater", "round"]
    alive = last.loc[~last["gone"], place].drop_duplicates().assign(alive=True)
    replaced = last[place].merge(alive, how="left", on=place)["alive"].notna().to_numpy()
    return last[~(last["gone"].to_numpy() & replaced)].reset_index(drop=True)


def dropped_versions(history: pd.DataFrame) -> dict[str, int]:
    """How many labels of a history `current` leaves out, by reason."""
    last = _typed(history).drop_duplicates(IDENTITY, keep="last")
    dropped = {str(why): int(n) for why, n in last.loc[last["held"] != "", "held"].value_counts().items()}
    answered_anew = len(last) - sum(dropped.values()) - len(current(history))
    return dropped | ({"deleted on the server and answered anew": answered_anew} if answered_anew else {})


def held_back(history: pd.DataFrame) -> dict[str, int]:
    """Why labels do not count, and how many transcripts' labels that holds back."""
    last = _typed(history).drop_duplicates(IDENTITY, keep="last")
    held = last[last["held"] != ""]
    counts = held.groupby("held")["transcript_id"].nunique()
    return {str(why): int(n) for why, n in counts.items()}


def grow(
    path: Path,
    rows: pd.DataFrame,
    *,
    whole: str | None = None,
    shown: tuple[str, Collection[str]] | None = None,
    check: Callable[[pd.DataFrame], None] | None = None,
) -> Growth:
    """Add what is new in `rows` to the history in `path`; the file is written whole or not at all.

    Parameters
    ----------
    path : path
        Made when it is not there.
    rows : DataFrame
        Labels as they are now: the columns of `COLUMNS` but ``pulled_at`` and ``gone``; those that may be missing may
        be left out.
    whole : str, optional
        The project that `rows` shows completely: labels of it that are not among them vanished.
    shown : project and its tasks, optional
        The tasks of a project that `rows` shows completely.
    check : callable, optional
        Given the grown history before it is written; what it raises leaves the file as it was.

    Returns
    -------
    Growth

    Raises
    ------
    InputError
        The file is no history.
    """
    with unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        history = read_history(path)
        now = _typed(rows.assign(gone=False, pulled_at=datetime.now(UTC).isoformat(timespec="seconds")))
        last = history.drop_duplicates(IDENTITY, keep="last")
        if whole is not None:
            now = pd.concat([now, _vanished(last[last["project"] == whole], now)], ignore_index=True)
        if shown is not None:
            there = last[(last["project"] == shown[0]) & last["task"].isin(list(shown[1]))]
            now = pd.concat([now, _vanished(there, now)], ignore_index=True)
        before = _versions(last)
        fresh = np.array([before.get(identity) != said for identity, said in _versions(now).items()], dtype=bool)
        added = now[fresh]
        known = [tuple(row) in before for row in added[IDENTITY].itertuples(index=False, name=None)]
        grown = pd.concat([history, added], ignore_index=True) if len(history) else added.reset_index(drop=True)
        if check is not None:
            check(grown)
        if len(added) or not path.exists():
            with written_whole(path) as partial:
                grown.to_parquet(partial, index=False)
    n_known, n_gone = sum(known), int(added["gone"].sum())
    return Growth(new=len(added) - n_known, changed=n_known - n_gone, gone=n_gone, frame=grown)


def read_history(path: Path) -> pd.DataFrame:
    """The history in `path`; empty when there is no file.

    Raises
    ------
    InputError
        The file is no history.
    """
    if not path.exists():
        return _typed(pd.DataFrame())
    try:
        found = read_parquet_frame(path)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", file=path) from None
    if missing := [column for column in (*IDENTITY, "pulled_at") if column not in found]:
        raise InputError(f"is no history of pulled labels (no {missing[0]!r}); name another file", file=path)
    return _typed(found)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns, in order and of their types; missing text is None."""
    empty = pd.Series(index=frame.index, dtype=object)
    columns = {name: frame[name] if name in frame else empty for name in COLUMNS}
    out = pd.DataFrame({n: c.astype(object).where(c.notna(), None) for n, c in columns.items()}, columns=COLUMNS)
    defaults: dict[Hashable, object] = {"round": 1, "gone": False, "prelabelled": False, "held": ""}
    return out.fillna(defaults).astype(_TYPES)


def _versions(frame: pd.DataFrame) -> dict[tuple[object, ...], tuple[object, ...]]:
    """What each label says, by its identity; NaN as None, so that equal is equal."""
    said = frame[SAID].astype(object)
    said = said.where(said.notna(), None)
    identities = frame[IDENTITY].itertuples(index=False, name=None)
    return dict(zip(identities, said.itertuples(index=False, name=None), strict=True))


def _vanished(last: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    here = set(now[IDENTITY].itertuples(index=False, name=None))
    identities = last[IDENTITY].itertuples(index=False, name=None)
    away = np.array([identity not in here for identity in identities], dtype=bool)
    when = now["pulled_at"].iloc[0] if len(now) else datetime.now(UTC).isoformat(timespec="seconds")
    return last[away].assign(gone=True, pulled_at=when)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One at a time: of two pulls at once the later must not undo what the earlier added."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
