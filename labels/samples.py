"""Labels by Inspect's sample and epoch, joined to the transcripts of its logs."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from grader.errors import InputError
from labels.labelset import LabelSet

# Where a transcript's metadata may hold the sample's id; in an Inspect log without scenarios of its own it is one.
_SAMPLE_COLUMNS = ("sample_id", "id", "scenario")


def joined_by_sample(labels: LabelSet, facts: pd.DataFrame) -> LabelSet:
    """The labels under transcript ids, where they were given under ``sample_id`` and ``epoch``.

    Parameters
    ----------
    labels : LabelSet
        Without ``sample_id`` it is returned as it is.
    facts : DataFrame
        ``transcript_id``, ``epoch`` and ``sample_id``, ``id`` or ``scenario`` of every transcript of the pool.

    Raises
    ------
    InputError
        No column of the pool holds these samples, or a sample and epoch belongs to several transcripts.

    Examples
    --------
    >>> frame = pd.DataFrame({"transcript_id": ["c1/2"], "sample_id": ["c1"], "epoch": ["2"], "harm": ["leaking"],
    ...                       "rater": ["ana"], "label": [1.0]})
    >>> facts = pd.DataFrame({"transcript_id": ["u9"], "scenario": ["c1"], "epoch": [2.0]})
    >>> joined_by_sample(LabelSet(frame=frame), facts).frame["transcript_id"].tolist()
    ['u9']
    """
    frame = labels.frame
    if "sample_id" not in frame or "epoch" not in facts:
        return labels
    wanted = set(frame.loc[frame["sample_id"].notna(), "transcript_id"])
    pool = facts[["transcript_id", *(c for c in _SAMPLE_COLUMNS if c in facts)]].drop_duplicates("transcript_id")
    epochs = facts.drop_duplicates("transcript_id")["epoch"]
    epoch = pd.to_numeric(epochs, errors="coerce").astype("Int64").astype(str).to_numpy()
    if wanted <= set(pool["transcript_id"]):
        return labels
    for column in (c for c in _SAMPLE_COLUMNS if c in pool):
        keys = pd.Series(pool[column].astype(str).to_numpy() + "/" + epoch, index=pool["transcript_id"])
        meant = keys[keys.isin(wanted)]
        if meant.empty:
            continue
        if (twice := meant[meant.duplicated()]).size:
            place = twice.iloc[0]
            first, second = meant.index[meant == place][:2]
            reason = f"is {first!r} and {second!r} among the transcripts: name each by its transcript_id"
            raise InputError(reason, record=f"sample and epoch {place!r}")
        ids = pd.Series(meant.index, index=meant.to_numpy(), dtype=object)
        named = frame["transcript_id"].map(ids).fillna(frame["transcript_id"])
        return replace(labels, frame=frame.assign(transcript_id=named))
    return labels
