"""Which transcripts to label: sampling designs with exact inclusion probabilities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grader.cells import unshielded, write_csv
from grader.errors import InputError
from grader.files import written_whole
from grader.parquet import read_parquet_frame

_GAPS = ["", "NA", "NaN", "nan", "None", "null", "<NA>"]
DESIGN_COLUMNS = ("transcript_id", "harm", "stratum", "inclusion_probability", "round", "drawn")
DESIGNS = ("uniform", "flagged-10", "flagged-25", "disagree-25", "stratified", "neyman", "most-unlike-training")

_FLAGGED = re.compile(r"flagged-(\d{1,2})")
_DISAGREE = re.compile(r"disagree-(\d{1,2})")
# Of the labels of a design by disagreement, on transcripts that all graders flag.
AGREED_SHARE = 0.10


def draw_sample(
    candidates: pd.DataFrame,
    n: int,
    *,
    design: str = "uniform",
    round: int = 1,
    rng: np.random.Generator,
    harms: Sequence[str] | None = None,
    pilot: Mapping[str, float] | None = None,
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Draw `n` transcripts for labelling; one drawn set serves all harms.

    Parameters
    ----------
    candidates : DataFrame
        ``transcript_id`` of every transcript of the pool, in one row or several (per harm, per grader: a verdict
        frame will do). Beside it, by design:

        * ``uniform``: nothing; a simple random sample of the pool.
        * ``flagged-P``: ``P`` per cent of the labels on flagged transcripts (all of them if few), the rest on the
          others, each at random. Flagged is a transcript with any row whose ``flagged``, else ``present``, is true,
          else whose ``score`` is 0.5 or more; without flag, one with an unscored row is in stratum ``unscored``.
        * ``disagree-P``: ``P`` per cent of the labels where the graders disagree on some harm, 10 % where they agree to
          flag one, the rest on the others. Needs ``grader`` and two of them.
        * ``stratified``: ``stratum`` (else the flags as above); every stratum by its size.
        * ``neyman``: the same strata, by size times the standard deviation that `pilot` expects.
        * ``most-unlike-training``: ``unlikeness`` (larger is more unlike what the classifier saw); takes the largest.
          For finding cases: the others have inclusion probability 0, so no rate of the pool follows from it alone.
    n : int
        How many transcripts, 1 <= n <= pool.
    round : int
        Written into the frame.
    rng : numpy Generator
    harms : sequence of str, optional
        The harms that will be labelled; default those of ``candidates["harm"]``, else the shipped rubrics'.
    pilot : mapping, optional
        Stratum -> expected rate in [0, 1], for ``neyman``.
    earlier : DataFrame, optional
        The design frame of the rounds before. In a stratified design over the same strata, transcripts drawn
        before are not drawn again; otherwise the rounds are independent, and a transcript may be drawn again.

    Returns
    -------
    DataFrame
        The design frame over ALL candidates: ``transcript_id, harm, stratum, inclusion_probability, round, drawn``.
        The probability is this round's alone.

    Raises
    ------
    ValueError
        When an argument breaks its rule.

    Examples
    --------
    >>> pool = pd.DataFrame({"transcript_id": list("abcdefghij"), "flagged": [True] * 2 + [False] * 8})
    >>> rng = np.random.default_rng(1)
    >>> frame = draw_sample(pool, 4, design="flagged-25", rng=rng, harms=["leaking"])
    >>> frame.groupby("stratum")["inclusion_probability"].first().to_dict()
    {'flagged': 0.5, 'not flagged': 0.375}
    >>> int(frame["drawn"].sum())
    4
    """
    if round < 1:
        raise ValueError(f"round must fulfil round >= 1, got {round}.")
    pool = _pool(candidates, design, n)
    free = ~_drawn_before(pool, earlier)
    if not 1 <= n <= free.sum():
        raise ValueError(f"n must fulfil 1 <= n <= {free.sum()} (transcripts to draw from), got {n}.")
    counts = _allocate(pool[free].groupby("stratum", sort=True).size(), n, design, pilot)
    chosen = np.zeros(len(pool), dtype=bool)
    # By id, so that the order in which verdicts arrived draws no other sample.
    by_id = np.argsort(pool["transcript_id"].to_numpy(dtype=str), kind="stable")
    for stratum, count in counts.items():
        members = by_id[((pool["stratum"] == stratum) & free).to_numpy()[by_id]]
        chosen[rng.choice(members, size=count, replace=False)] = True
    sizes = pool.groupby("stratum").size()
    pi = pool["stratum"].map((pd.Series(counts) / sizes).fillna(0.0)).to_numpy(dtype=float)
    drawn = pool[["transcript_id", "stratum"]].assign(inclusion_probability=pi, round=round, drawn=chosen)
    names = list(harms) if harms is not None else _harms(candidates)
    return drawn.merge(pd.DataFrame({"harm": names}), how="cross")[list(DESIGN_COLUMNS)]


def _pool(candidates: pd.DataFrame, design: str, n: int) -> pd.DataFrame:
    """``transcript_id, stratum``, one row per transcript, in order of first appearance."""
    if "transcript_id" not in candidates or candidates.empty:
        raise ValueError("candidates must hold at least one transcript_id, got none.")
    if design not in DESIGNS and not _FLAGGED.fullmatch(design) and not _DISAGREE.fullmatch(design):
        known = ", ".join(DESIGNS)
        raise ValueError(f"design must be flagged-P or disagree-P (P from 1 to 99) or one of {known}, got {design!r}.")
    ids = candidates["transcript_id"].astype(str)
    if design == "uniform":
        strata = pd.Series("all", index=candidates.index)
    elif design == "most-unlike-training":
        return _most_unlike(candidates, ids, n)
    elif _DISAGREE.fullmatch(design):
        return _disagreement_strata(candidates, ids)
    elif "stratum" in candidates and not _FLAGGED.fullmatch(design):
        strata = candidates["stratum"].astype(str)
    else:
        return _flagged_strata(candidates, ids)
    joined = strata.groupby(ids, sort=False).unique()
    torn = joined[joined.map(len) > 1]
    if len(torn):
        raise ValueError(f"stratum must be one per transcript, got {', '.join(torn.iloc[0])} for {torn.index[0]!r}.")
    return pd.DataFrame({"transcript_id": joined.index, "stratum": joined.map(lambda s: s[0]).to_numpy()})


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
    by_harm = rows.groupby(["id", "harm"], sort=False)[["yes", "no"]].any()
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


def _drawn_before(pool: pd.DataFrame, earlier: pd.DataFrame | None) -> NDArray[np.bool_]:
    """Which transcripts are not to be drawn again: those of earlier rounds, when the strata are the same."""
    nobody = np.zeros(len(pool), dtype=bool)
    if earlier is None:
        return nobody
    once = earlier.drop_duplicates("transcript_id").set_index("transcript_id")
    same = (
        set(once.index) == set(pool["transcript_id"])
        and (once["stratum"].reindex(pool["transcript_id"]).to_numpy() == pool["stratum"].to_numpy()).all()
    )
    return once["drawn"].reindex(pool["transcript_id"]).to_numpy(dtype=bool) if same else nobody


def _harms(candidates: pd.DataFrame) -> list[str]:
    if "harm" in candidates:
        return sorted(candidates["harm"].astype(str).unique())
    from grader.rubrics import load_rubrics

    return list(load_rubrics())


def _allocate(sizes: pd.Series, n: int, design: str, pilot: Mapping[str, float] | None) -> dict[str, int]:
    """How many labels each stratum gets: n in all, none more than it holds, at least one each when n allows."""
    flagged, disagree = _FLAGGED.fullmatch(design), _DISAGREE.fullmatch(design)
    if flagged:
        weight = _with_shares(sizes, {"flagged": int(flagged.group(1)) / 100})
    elif disagree:
        weight = _with_shares(sizes, {"disagree": int(disagree.group(1)) / 100, "agreed": AGREED_SHARE})
    elif design == "neyman":
        weight = sizes * np.sqrt([_variance(str(stratum), pilot) for stratum in sizes.index])
    elif design == "most-unlike-training":
        return {"most-unlike": n}
    else:
        weight = sizes.astype(float)
    return _shares(weight, sizes, n)


def _with_shares(sizes: pd.Series, shares: Mapping[str, float]) -> pd.Series:
    """Weights that give the named strata their shares, and the others the rest by size."""
    if sum(shares.values()) >= 1:
        raise ValueError(f"design must leave labels for other transcripts, got shares of {dict(shares)}.")
    named = {name: share for name, share in shares.items() if name in sizes}
    weight = sizes.astype(float)
    others = weight.drop(list(named)).sum()
    if named and others:
        weight = weight * (1 - sum(named.values())) / others
        for name, share in named.items():
            weight[name] = share
    return weight


def _variance(stratum: str, pilot: Mapping[str, float] | None) -> float:
    rate = None if pilot is None else pilot.get(stratum)
    if rate is None or not 0 <= rate <= 1:
        raise ValueError(f"pilot must give a rate in [0, 1] for stratum {stratum!r}, got {rate}.")
    return rate * (1 - rate)


def _shares(weight: pd.Series, sizes: pd.Series, n: int) -> dict[str, int]:
    """`n` divided in proportion to `weight` (largest remainders), within 1 (if n allows) and the stratum's size."""
    low = np.minimum(1, sizes.to_numpy()) if n >= len(sizes) else np.zeros(len(sizes), dtype=int)
    high = sizes.to_numpy()
    share = weight.to_numpy(dtype=float)
    share = share if share.sum() > 0 else high.astype(float)
    counts = low.copy()
    while counts.sum() < n:
        open_ = counts < high
        # The stratum furthest below its share gets the next label; ties by name: equal input, equal output.
        ideal = n * np.where(open_, share, 0.0) / max(share[open_].sum(), 1e-300)
        gap = np.where(open_, ideal - counts, -np.inf)
        counts[int(np.argmax(gap))] += 1
    return {str(stratum): int(count) for stratum, count in zip(sizes.index, counts, strict=True)}


def read_design(path: Path | str) -> pd.DataFrame:
    """Read a design frame that was written beside tasks (CSV or Parquet), its rounds joined.

    Returns
    -------
    DataFrame
        As `draw_sample` made it: one row per candidate and harm, several rounds joined by
        `labels.campaign.combine_rounds`. Other columns stay.

    Raises
    ------
    InputError
        As `read_rounds`; rounds that do not fit together.
    """
    frame = read_rounds(path)
    item = [column for column in ("transcript_id", "harm") if column in frame]
    if not frame.duplicated(item).any():
        return frame
    from labels.campaign import combine_rounds

    others = [column for column in frame if column not in DESIGN_COLUMNS]
    try:
        return combine_rounds(frame).merge(frame[[*item, "round", *others]], how="left", on=[*item, "round"])
    except ValueError as error:
        raise InputError(str(error), file=path) from None


def read_rounds(path: Path | str) -> pd.DataFrame:
    """Read a design frame as it stands in its file.

    Returns
    -------
    DataFrame
        One row per candidate, harm and round.

    Raises
    ------
    InputError
        No such file, a missing column, a probability outside [0, 1].
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", file=path)
    try:
        is_parquet = path.suffix == ".parquet"
        frame = read_parquet_frame(path) if is_parquet else _read_csv(path)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot be read as a design frame: {str(error).splitlines()[0]}", file=path) from None
    missing = [c for c in ("transcript_id", "inclusion_probability", "drawn") if c not in frame]
    if missing:
        raise InputError(f"a design frame needs {', '.join(DESIGN_COLUMNS)}; no {missing[0]!r}", file=path)
    pi = pd.to_numeric(frame["inclusion_probability"], errors="coerce")
    if not ((pi >= 0) & (pi <= 1)).all():
        row = int((~((pi >= 0) & (pi <= 1))).to_numpy().argmax())
        reason = f"inclusion_probability must fulfil 0 <= p <= 1, got {frame['inclusion_probability'].iloc[row]!r}"
        raise InputError(reason, file=path, record=f"transcript {frame['transcript_id'].iloc[row]!r}")
    drawn = frame["drawn"].astype(str).str.lower().isin(["true", "1", "1.0", "yes"])
    return frame.assign(transcript_id=frame["transcript_id"].astype(str), inclusion_probability=pi, drawn=drawn)


def _read_csv(path: Path) -> pd.DataFrame:
    """A transcript or harm may be called NA; elsewhere that is a gap."""
    names = ("transcript_id", "harm")
    columns = pd.read_csv(path, nrows=0).columns
    gaps = {c: [] if c in names else _GAPS for c in columns}
    return unshielded(pd.read_csv(path, dtype=dict.fromkeys(names, str), na_values=gaps, keep_default_na=False))


def write_design(design: pd.DataFrame, path: Path | str) -> None:
    """Write a design frame as CSV, or as Parquet when the name ends so; whole or not at all."""
    with written_whole(Path(path)) as partial:
        if Path(path).suffix == ".parquet":
            design.to_parquet(partial, index=False)
        else:
            write_csv(design, partial)
