"""Rounds of a campaign: the design of several draws over one pool, joined into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DESIGN_COLUMNS = ("transcript_id", "harm", "stratum", "inclusion_probability", "round", "drawn")
_ITEM = ["transcript_id", "harm"]


def combine_rounds(*designs: pd.DataFrame) -> pd.DataFrame:
    """The design of several rounds together: how likely each transcript was to be drawn in any of them.

    Parameters
    ----------
    *designs : DataFrames
        Design frames of `draw_sample`, one per round, over one pool.

    Returns
    -------
    DataFrame
        One design frame. Rounds over the same strata are together one random sample of every stratum, whether or not
        a transcript could be drawn twice: ``inclusion_probability`` is the share of the stratum that was drawn.
        Otherwise it is ``1 - prod(1 - p)`` over the rounds, and the stratum's name joins theirs.
        ``round`` is that in which the transcript was drawn first, else the last round.

    Raises
    ------
    ValueError
        No design, a missing column, frames over different transcripts and harms, two frames of one round.

    Examples
    --------
    >>> from labels import draw_sample
    >>> pool, rng = pd.DataFrame({"transcript_id": list("abcdefghij")}), np.random.default_rng(1)
    >>> one = draw_sample(pool, 2, rng=rng, harms=["leaking"])
    >>> two = draw_sample(pool, 3, round=2, rng=rng, harms=["leaking"], earlier=one)
    >>> combine_rounds(one, two)["inclusion_probability"].unique().tolist()
    [0.5]
    >>> again = draw_sample(pool, 5, round=3, rng=rng, harms=["leaking"])
    >>> later = again.assign(stratum="new")  # as of a design that stratifies otherwise
    >>> combine_rounds(one, later)["inclusion_probability"].round(2).unique().tolist()
    [0.6]
    """
    rounds = _aligned(designs)
    first = rounds[0]
    drawn = np.array([frame["drawn"].to_numpy(dtype=bool) for frame in rounds])
    any_drawn: NDArray[np.bool_] = np.logical_or.reduce(drawn, axis=0)
    pi = np.array([frame["inclusion_probability"].to_numpy(dtype=float) for frame in rounds])
    strata = [frame["stratum"].astype(str) for frame in rounds]
    if all((stratum == strata[0]).all() for stratum in strata):
        joint = pd.Series(any_drawn).groupby([first["harm"], strata[0]]).transform("mean").to_numpy(dtype=float)
        stratum = strata[0]
    else:
        joint = 1 - np.prod(1 - pi, axis=0)
        stratum = pd.Series([" / ".join(names) for names in zip(*strata, strict=True)], dtype=object)
    numbers = np.array([int(frame["round"].iloc[0]) for frame in rounds])
    when = np.where(any_drawn, numbers[drawn.argmax(axis=0)], numbers[-1])
    return first.assign(stratum=stratum, inclusion_probability=joint, round=when, drawn=any_drawn)


def _aligned(designs: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The frames in one order of rows, checked to be rounds of one pool; a frame may hold several rounds."""
    for frame in designs:
        if missing := [column for column in DESIGN_COLUMNS if column not in frame]:
            raise ValueError(f"designs must have the columns {', '.join(DESIGN_COLUMNS)}, got no {missing[0]!r}.")
    seen = [int(number) for frame in designs for number in frame["round"].unique()]
    if len(set(seen)) < len(seen):
        raise ValueError(f"designs must hold one frame per round, got rounds {seen}.")
    rounds = [part for frame in designs for part in _rounds(frame)]
    if not rounds:
        raise ValueError("designs must hold at least one design frame, got none.")
    ordered = [p.sort_values(_ITEM, kind="stable").reset_index(drop=True)[list(DESIGN_COLUMNS)] for p in rounds]
    for part in ordered:
        if not part[_ITEM].equals(ordered[0][_ITEM]):
            raise ValueError("designs must be over the same transcripts and harms, got frames that differ.")
    return ordered


def _rounds(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """A frame with several rows per transcript and harm is several rounds; others are one, or already combined."""
    if frame.duplicated(_ITEM).any():
        return [part for _, part in frame.groupby("round", sort=True)]
    return [frame.assign(round=int(frame["round"].max()))]
