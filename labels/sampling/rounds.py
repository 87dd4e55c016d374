"""Rounds of a campaign: the design of several draws over one pool, joined into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DESIGN_COLUMNS = ("transcript_id", "harm", "stratum", "inclusion_probability", "round", "drawn")
_ITEM = ["transcript_id", "harm"]
# The stratum, in a round, of a transcript that was no candidate then.
NOT_YET = "not in the pool yet"


def combine_rounds(*designs: pd.DataFrame) -> pd.DataFrame:
    """The design of several rounds together: how likely each transcript was to be drawn in any of them.

    Parameters
    ----------
    *designs : DataFrames
        Design frames of `draw_sample`, one per round. The pool may have grown from one round to the next (and a round
        may have asked about fewer harms): a transcript that a round did not know had probability 0 in it.

    Returns
    -------
    DataFrame
        One design frame over every transcript of any round. Rounds over the same strata of the same pool are together
        one random sample of every stratum, whether or not a transcript could be drawn twice: its probability is the
        share of the stratum that was drawn. Other rounds are independent: ``inclusion_probability`` is
        ``1 - prod(1 - p)``, and the stratum's name joins theirs. ``round`` is that in which the transcript was drawn
        first, else the last round.

    Raises
    ------
    ValueError
        No design, a missing column, rounds that have no transcript and harm in common, two frames of one round.

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
    drawn = np.array([frame["drawn"].to_numpy(dtype=bool) for frame in rounds])
    any_drawn: NDArray[np.bool_] = np.logical_or.reduce(drawn, axis=0)
    samples = _same_strata(rounds)
    pi = np.array([_probability([rounds[i] for i in sample]) for sample in samples])
    joint = pi[0] if len(pi) == 1 else 1 - np.prod(1 - pi, axis=0)
    strata = [rounds[sample[0]]["stratum"].astype(str) for sample in samples]
    joined = pd.Series([" / ".join(names) for names in zip(*strata, strict=True)], dtype=object)
    numbers = np.array([int(frame["round"].iloc[0]) for frame in rounds])
    when = np.where(any_drawn, numbers[drawn.argmax(axis=0)], numbers[-1])
    return rounds[0].assign(stratum=joined, inclusion_probability=joint, round=when, drawn=any_drawn)


def _same_strata(rounds: Sequence[pd.DataFrame]) -> list[list[int]]:
    """Which rounds drew from the same strata of the same pool, by their places."""
    samples: list[list[int]] = []
    for place, frame in enumerate(rounds):
        stratum = frame["stratum"].astype(str)
        same = (sample for sample in samples if (rounds[sample[0]]["stratum"].astype(str) == stratum).all())
        known = next(same, None)
        if known is None:
            samples.append([place])
        else:
            known.append(place)
    return samples


def _probability(rounds: Sequence[pd.DataFrame]) -> NDArray[np.float64]:
    """How likely each row was to be drawn in rounds over the same strata."""
    if len(rounds) == 1:
        return rounds[0]["inclusion_probability"].to_numpy(dtype=np.float64)
    drawn = pd.Series(np.logical_or.reduce([frame["drawn"].to_numpy(dtype=bool) for frame in rounds]))
    groups = [rounds[0]["harm"].astype(str), rounds[0]["stratum"].astype(str)]
    return drawn.groupby(groups).transform("mean").to_numpy(dtype=np.float64)


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
    items = pd.concat([part[_ITEM] for part in rounds]).drop_duplicates().sort_values(_ITEM, kind="stable")
    first = pd.MultiIndex.from_frame(rounds[0][_ITEM])
    for part in rounds[1:]:
        if not pd.MultiIndex.from_frame(part[_ITEM]).isin(first).any():
            raise ValueError("designs must be rounds of one pool, got rounds with no transcript and harm in common.")
    return [_over(items, part) for part in rounds]


def _over(items: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """One round's frame over the transcripts of all rounds."""
    whole = items.merge(part[list(DESIGN_COLUMNS)], how="left", on=_ITEM).reset_index(drop=True)
    unknown = whole["stratum"].isna() & whole["inclusion_probability"].isna()
    return whole.assign(
        stratum=whole["stratum"].astype(object).where(~unknown, NOT_YET),
        inclusion_probability=whole["inclusion_probability"].where(~unknown, 0.0),
        round=int(part["round"].iloc[0]),
        drawn=whole["drawn"].astype("boolean").fillna(value=False).astype(bool),
    )


def _rounds(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """A frame with several rows per transcript and harm is several rounds; others are one, or already combined."""
    if frame.duplicated(_ITEM).any():
        return [part for _, part in frame.groupby("round", sort=True)]
    return [frame.assign(round=int(frame["round"].max()))]
