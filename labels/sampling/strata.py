"""Which stratum of a sampling design a transcript is in: by what graders say of it, never by what people say."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

DESIGNS = ("uniform", "flagged-10", "flagged-25", "disagree-25", "stratified", "neyman", "most-unlike-training")

FLAGGED = re.compile(r"flagged-(\d{1,2})")
DISAGREE = re.compile(r"disagree-(\d{1,2})")


def candidate_strata(candidates: pd.DataFrame, design: str, n: int) -> pd.DataFrame:
    """The stratum of every candidate.

    Parameters
    ----------
    candidates, design, n
        As in `labels.sampling.designs.draw_sample`.

    Returns
    -------
    DataFrame
        ``transcript_id, stratum``, one row per transcript, in order of first appearance.

    Raises
    ------
    ValueError
        An unknown design, or candidates that lack what it looks at.

    Examples
    --------
    >>> pool = pd.DataFrame({"transcript_id": ["a", "a", "b"], "present": [True, False, None]})
    >>> candidate_strata(pool, "flagged-25", 1).values.tolist()
    [['a', 'flagged'], ['b', 'unscored']]
    """
    if "transcript_id" not in candidates or candidates.empty:
        raise ValueError("candidates must hold at least one transcript_id, got none.")
    check_design(design)
    ids = candidates["transcript_id"].astype(str)
    if design == "uniform":
        strata = pd.Series("all", index=candidates.index)
    elif design == "most-unlike-training":
        return _most_unlike(candidates, ids, n)
    elif DISAGREE.fullmatch(design):
        return _disagreement_strata(candidates, ids)
    elif "stratum" in candidates and not FLAGGED.fullmatch(design):
        strata = candidates["stratum"].astype(str)
    else:
        return _flagged_strata(candidates, ids)
    joined = strata.groupby(ids, sort=False).unique()
    torn = joined[joined.map(len) > 1]
    if len(torn):
        raise ValueError(f"stratum must be one per transcript, got {', '.join(torn.iloc[0])} for {torn.index[0]!r}.")
    return pd.DataFrame({"transcript_id": joined.index, "stratum": joined.map(lambda s: s[0]).to_numpy()})


def check_design(design: str) -> None:
    """Raise a ValueError when there is no design of this name."""
    if design not in DESIGNS and not FLAGGED.fullmatch(design) and not DISAGREE.fullmatch(design):
        names = ", ".join(DESIGNS)
        raise ValueError(f"design must be flagged-P or disagree-P (P from 1 to 99) or one of {names}, got {design!r}.")


def _flags(candidates: pd.DataFrame) -> pd.Series:
    """What each row says: True, False or missing."""
    if "flagged" in candidates:
        return candidates["flagged"]
    if "present" in candidates:
        return candidates["present"]
    if "score" not in candidates:
        raise ValueError("candidates must hold 'flagged', 'present' or 'score' for this design, got none of them.")
    score = candidates["score"].astype(float)
    return (score >= 0.5).astype(object).where(score.notna(), None)


def _disagreement_strata(candidates: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    """``disagree``: on some harm one grader says yes and another no; ``agreed``: all who speak say yes to one."""
    if "grader" not in candidates or candidates["grader"].nunique() < 2:
        raise ValueError("candidates must hold rows of at least two graders ('grader') for this design.")
    said = _flags(candidates)
    harm = candidates["harm"].astype(str) if "harm" in candidates else pd.Series("", index=candidates.index)
    rows = pd.DataFrame({"id": ids, "harm": harm, "yes": said.isin([True]), "no": said.isin([False])})
    # A transcript without a verdict has no harm here; it is a candidate all the same.
    by_harm = rows.groupby(["id", "harm"], sort=False, dropna=False)[["yes", "no"]].any()
    by_harm["disagree"] = by_harm["yes"] & by_harm["no"]
    by_id = by_harm.groupby(level="id", sort=False)[["disagree", "yes"]].any()
    strata = np.select([by_id["disagree"], by_id["yes"]], ["disagree", "agreed"], "rest")
    return pd.DataFrame({"transcript_id": by_id.index, "stratum": strata})


def _flagged_strata(candidates: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    said = _flags(candidates)
    unscored = said.isna()
    flagged = said.isin([True]) & ~unscored
    by_id = pd.DataFrame({"flagged": flagged, "unscored": unscored}).groupby(ids, sort=False).any()
    strata = np.select([by_id["flagged"], by_id["unscored"]], ["flagged", "unscored"], "not flagged")
    return pd.DataFrame({"transcript_id": by_id.index, "stratum": strata})


def _most_unlike(candidates: pd.DataFrame, ids: pd.Series, n: int) -> pd.DataFrame:
    if "unlikeness" not in candidates:
        raise ValueError("candidates must hold 'unlikeness' for this design, got no such column.")
    value = candidates["unlikeness"].astype(float).groupby(ids, sort=False).max()
    if value.isna().any():
        raise ValueError(f"unlikeness must be a number, got nan for {value.index[value.isna()][0]!r}.")
    top = value.sort_values(ascending=False, kind="stable").index[: max(n, 0)]
    strata = np.where(value.index.isin(top), "most-unlike", "rest")
    return pd.DataFrame({"transcript_id": value.index, "stratum": strata})
