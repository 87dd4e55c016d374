"""How transcripts were drawn for labelling: what was declared, held against the pool and the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import binom, hypergeom

from calibration.study.facts import FREQUENCY, has_episodes, row_weights, texts
from calibration.study.harm_table import HarmTable
from calibration.study.ids import mismatch, shown
from grader.errors import InputError
from labels.labelset import LabelSet

Design = pd.DataFrame | Literal["uniform"] | None
UNIFORM: Literal["uniform"] = "uniform"
# What to do about labels that contradict a declared design.
OnContradiction = Literal["refuse", "note"]

# Below this probability labels contradict the declaration that they are a random sample.
CONTRADICTED = 1e-4
# More values of a key than this are not tested one by one.
_MOST_VALUES = 200


def harm_design(harm: str, design: Design, facts: pd.DataFrame, consensus: pd.DataFrame) -> pd.DataFrame | None:
    """The design of one harm, from the place that reports how transcripts were drawn.

    Parameters
    ----------
    harm : str
    design : Design
        A frame is over all candidates: a transcript that it does not name had probability 0.
    facts : DataFrame by transcript
    consensus : frame of `LabelSet.consensus`, of this harm

    Raises
    ------
    InputError
        The labels' own column of probabilities has gaps.
    """
    if isinstance(design, pd.DataFrame):
        rows = design[design["harm"] == harm] if "harm" in design else design
        known = _with_strata(rows.drop_duplicates("transcript_id"), facts)
        whole = known.set_index("transcript_id").reindex(facts.index)
        probability: pd.Series[float] = whole["inclusion_probability"].astype(float).fillna(0.0)
        return whole.assign(inclusion_probability=probability).reset_index(names="transcript_id")
    labelled = consensus[consensus["y"].notna()]
    if design is None and "inclusion_probability" in labelled and (chances := labelled["inclusion_probability"]).any():
        if chances.isna().any():
            gaps = labelled.loc[chances.isna(), "transcript_id"]
            raise InputError(
                f"inclusion_probability is missing for {len(gaps)} of {len(chances)} labelled transcripts "
                f"({shown(gaps)}): fill it in, or leave the column out"
            )
        return labelled.assign(drawn=True)
    share = len(labelled) / row_weights(facts).sum()
    if design == UNIFORM or share == 1.0:
        drawn = facts.index.isin(consensus["transcript_id"])
        plan = pd.DataFrame({"transcript_id": facts.index, "drawn": drawn, "inclusion_probability": max(share, 1e-12)})
        if FREQUENCY in facts:
            plan[FREQUENCY] = facts[FREQUENCY].to_numpy()
        return _with_strata(plan, facts)
    return None


def _with_strata(plan: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """The design with the size of each row's stratum and how many were drawn from it, where episodes need them."""
    columns = [c for c in ("transcript_id", "stratum", "inclusion_probability", "drawn", "episode") if c in plan]
    rows = plan[columns]
    if not has_episodes(facts):
        return rows
    if "stratum" not in rows:
        rows = rows.assign(stratum=rows["inclusion_probability"].astype(float).round(12).astype(str))
    weight, stratum = row_weights(plan), rows["stratum"].astype(str)
    size = pd.Series(weight, index=rows.index).groupby(stratum).transform("sum")
    drawn = (rows["drawn"].astype(float) * weight).groupby(stratum).transform("sum")
    return rows.assign(stratum_size=size, stratum_drawn=drawn)


def check_frame(design: pd.DataFrame, facts: pd.DataFrame, harms: Sequence[str]) -> Iterator[str]:
    """Hold a design frame against the pool (its `facts`); yield what a reader of the rates must know.

    Raises
    ------
    InputError
        It names none of the pool's transcripts or harms; its probabilities contradict how many were drawn.
    """
    rows = design
    if "harm" in design:
        if not (named := set(design["harm"]) & set(harms)):
            there = ", ".join(sorted(map(str, design["harm"].unique())))
            raise InputError(f"the design names the harms {there}, and none of {', '.join(harms)}")
        for harm in sorted(set(harms) - named):
            yield f"{harm}: the design does not name this harm, so its labels are set aside."
        rows = design[design["harm"].isin(named)]
    pool, once = facts.index, rows.drop_duplicates("transcript_id")
    ids, weight = pd.Index(once["transcript_id"]), row_weights(once)
    inside = ids.isin(pool)
    if not inside.any():
        raise InputError(f"the design names no transcript of the pool: {_both(ids, pool)}")
    check_sums(rows)
    outside, n_pool = pool[~pool.isin(ids)], row_weights(facts).sum()
    if len(outside):
        n_outside = row_weights(facts.loc[outside]).sum()
        yield (
            f"{n_outside:.0f} of {n_pool:.0f} transcripts are not in the design ({shown(outside)}): they could not be "
            "drawn, so no label speaks for them."
        )
    if 2 * (n_inside := weight[inside].sum()) < max(weight.sum(), n_pool):
        yield f"Only {n_inside:.0f} ids of the design are in the pool: {_both(ids[~inside], outside)}."


def _both(design: pd.Index, pool: pd.Index) -> str:
    return mismatch(list(design), list(pool), name="design rows", of="the pool")


def check_sums(design: pd.DataFrame) -> None:
    """Refuse a design whose probabilities do not add up to how many were drawn, stratum by stratum."""
    keys = [c for c in ("harm", "stratum") if c in design]
    pi = design["inclusion_probability"].astype(float)
    weight, drawn = row_weights(design), design["drawn"].astype(float)
    rows = design[keys].astype(str).assign(pi=pi * weight, drawn=drawn * weight, size=weight)
    groups = rows.groupby(keys, sort=True)[["pi", "drawn", "size"]] if keys else None
    sums = rows[["pi", "drawn", "size"]].sum().to_frame().T if groups is None else groups.sum()
    # Rows drawn one by one with unequal probabilities vary less than a binomial of the same mean.
    mean = np.clip(sums["pi"] / sums["size"], 0.0, 1.0)
    size, n = sums["size"].round(), sums["drawn"].round()
    tail = np.minimum(binom.cdf(n, size, mean), binom.sf(n - 1, size, mean))
    wrong = ((sums["drawn"] - sums["pi"]).abs() > 1) & (2 * tail < CONTRADICTED)
    if wrong.any():
        row = sums[wrong].iloc[0]
        place = sums.index[wrong][0] if keys else "all"
        name = " / ".join(map(str, place)) if isinstance(place, tuple) else str(place)
        raise InputError(
            f"the design's probabilities add up to {row['pi']:.4g} in {name!r}, and {row['drawn']:.0f} were drawn: "
            "the frame must hold all candidates with the probabilities by which they were drawn"
        )


def contradiction(table: HarmTable, keys: Sequence[str]) -> str | None:
    """Why the labels of a table are not a simple random sample of it; None when they may be one.

    Each side of the strata's grader, and each value of `keys`, is held against a hypergeometric distribution.
    """
    side = pd.Series(table.sides(table.graders[0]), index=table.facts.index)
    columns = {table.graders[0]: side.map({1.0: "flagged", 0.0: "not flagged"}).fillna("unscored")}
    columns |= {key: texts(table.facts[key]).fillna("(none)") for key in keys if key in table.facts}
    for key, column in columns.items():
        cells = pd.Series(table.row_counts()).groupby([column.to_numpy(), table.drawn.to_numpy()]).sum()
        counts = cells.unstack(fill_value=0).reindex(columns=[False, True], fill_value=0).round().astype(int)
        if not 1 < len(counts) <= _MOST_VALUES:
            continue
        size, drawn = counts.sum(axis=1).to_numpy(), counts[True].to_numpy()
        p = _two_sided(drawn, size, total=size.sum(), n=drawn.sum()) * len(counts)
        if p.min() < CONTRADICTED:
            told = ", ".join(f"{name} {d} of {n}" for name, d, n in zip(counts.index, drawn, size, strict=True))
            return f"labelled by {key}: {told} (probability {p.min():.0e} in a random sample)"
    return None


def _two_sided(drawn: Any, size: Any, *, total: int, n: int) -> Any:
    tails = hypergeom.cdf(drawn, total, size, n), hypergeom.sf(drawn - 1, total, size, n)
    return np.minimum(1.0, 2 * np.minimum(*tails))


def check_uniform(table: HarmTable, keys: Sequence[str], on_contradiction: OnContradiction) -> str | None:
    """Test the declaration that labels are a random sample; a note for every rate when they are not but may stay.

    Raises
    ------
    InputError
        The labels contradict it.
    """
    reason = contradiction(table, keys)
    if reason is None:
        return None
    if on_contradiction == "note":
        return f"declared uniform against the labels: {reason}"
    raise InputError(
        f"--design uniform is contradicted by the labels on {table.harm}; {reason}: "
        "give the design frame, leave --design out, or keep it with --force"
    )


def undeclared_words(table: HarmTable) -> str | None:
    """What labels of an unknown design look like, and what they support; None when there are none."""
    labelled = table.y.notna().to_numpy()
    n, judge = int(labelled.sum()), table.graders[0]
    if not n or table.inclusion_probability is not None:
        return None
    side = table.sides(judge)
    flagged, harmless, times = side[labelled] == 1, side[labelled] == 0, table.row_counts()
    if flagged.all() and not (side == 1).all():
        right = table.y[labelled].mean()
        return (
            f"{table.harm}: all {n} labels are on transcripts that {judge} flagged: they say how often it is right "
            f"(PPV {100 * right:.0f} %), not how often harm happens."
        )
    if harmless.all() and not (side == 0).all():
        return (
            f"{table.harm}: all {n} labels are on transcripts that {judge} did not flag: they say how often it misses "
            "harm there, not how often harm happens."
        )
    return (
        f"{table.harm}: nobody declared how the {n} labelled transcripts were drawn ({flagged.sum()} of "
        f"{times[side == 1].sum():.0f} that {judge} flagged, {harmless.sum()} of {times[side == 0].sum():.0f} that it "
        "did not): "
        "give --design FILE, or --design uniform if they are a random sample."
    )


def check_known_ids(labels: LabelSet, pool: pd.Index, *, file: Path | None = None) -> None:
    """Refuse labels of transcripts that are not in the pool, with examples of both sides and the likely cause."""
    ids = labels.frame["transcript_id"]
    strays = ids[~ids.isin(pool)].unique()
    if not len(strays):
        return
    sides = mismatch(list(strays), list(pool), name="labels", of="transcripts")
    raise InputError(
        f"labelled, but not among the transcripts ({len(strays)} of {ids.nunique()} ids: {sides}): "
        "are all transcripts named (--transcripts)? is --id-field right?",
        file=file,
        record=f"transcript {strays[0]!r}",
    )
