"""A labelling campaign: what pilot rounds tell, raters assigned, a consensus, and what is left to adjudicate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from labels.dawid_skene import MIN_PREVALENCE, MIN_VOTES
from labels.labelset import LabelSet
from labels.raters import fit_raters

Consensus = Literal["adjudicated", "majority", "dawid-skene"]

_ITEM = ["transcript_id", "harm"]


def pilot_rates(design: pd.DataFrame, labels: LabelSet, harm: str) -> dict[str, float]:
    """The rate to expect in each stratum, from labels so far: what a Neyman design takes as its pilot.

    Parameters
    ----------
    design : DataFrame
        Of the pilot rounds.
    labels : LabelSet
    harm : str

    Returns
    -------
    dict from stratum to rate in (0, 1)
        ``(harmful + 1/2) / (labelled + 1)``: never 0 or 1, since no label so far is no proof that there is none. A
        stratum without labels gets 1/2, the most careful guess.

    Examples
    --------
    >>> design = pd.DataFrame({"transcript_id": list("abc"), "harm": "leaking", "stratum": ["flagged"] * 2 + ["rest"],
    ...                        "inclusion_probability": 1.0, "round": 1, "drawn": True})
    >>> labels = LabelSet.from_rows([("a", "leaking", "ana", 1.0), ("b", "leaking", "ana", 1.0),
    ...                              ("c", "leaking", "ana", 0.0)])
    >>> {name: round(rate, 2) for name, rate in pilot_rates(design, labels, "leaking").items()}
    {'flagged': 0.83, 'rest': 0.25}
    """
    own = design[(design["harm"] == harm) & design["drawn"].astype(bool)]
    consensus = labels.consensus()
    known = consensus[consensus["harm"] == harm].set_index("transcript_id")["y"]
    y = own["transcript_id"].map(known)
    counts = y.groupby(own["stratum"].astype(str)).agg(["sum", "count"])
    counts = counts.reindex(sorted(design["stratum"].astype(str).unique()), fill_value=0)
    rates = (counts["sum"] + 0.5) / (counts["count"] + 1)
    return {str(stratum): float(rate) for stratum, rate in rates.items()}


def assign_raters(
    drawn: Sequence[str], raters: Sequence[str], overlap: int, rng: np.random.Generator
) -> dict[str, tuple[str, ...]]:
    """Who labels which transcript: each is read by `overlap` raters, and all have the same amount of work.

    Parameters
    ----------
    drawn : sequence of str
        Transcript ids.
    raters : sequence of str
    overlap : int, 1 <= overlap <= number of raters
    rng : numpy Generator

    Returns
    -------
    dict from transcript id to the names of its raters, sorted
        Loads differ by at most 1, and pairs of raters meet about equally often.

    Raises
    ------
    ValueError
        When an argument breaks its rule.

    Examples
    --------
    >>> who = assign_raters(["t1", "t2", "t3"], ["ana", "bo", "cy"], 2, np.random.default_rng(1))
    >>> sorted(who.values())
    [('ana', 'bo'), ('ana', 'cy'), ('bo', 'cy')]
    """
    names = list(dict.fromkeys(raters))
    if len(names) < len(raters) or not 1 <= overlap <= len(names):
        raise ValueError(f"overlap must fulfil 1 <= overlap <= number of different raters, got {overlap} of {raters}.")
    load = dict.fromkeys(names, 0)
    met = {(a, b): 0 for a in names for b in names}
    assigned = {}
    for index in rng.permutation(len(drawn)):
        team: list[str] = []
        tie = dict(zip(names, rng.permutation(len(names)), strict=True))
        for _ in range(overlap):
            free = [name for name in names if name not in team]
            # Least work first, so that loads stay level; then whom this team has met least.
            team.append(min(free, key=lambda r: (load[r], sum(met[r, other] for other in team), tie[r])))
        for name in team:
            load[name] += 1
            met.update({(name, other): met[name, other] + 1 for other in team})
        assigned[drawn[int(index)]] = tuple(sorted(team))
    return assigned


def adjudication_queue(labels: LabelSet) -> pd.DataFrame:
    """The transcripts that somebody should decide: raters disagree, or nobody was sure.

    Returns
    -------
    DataFrame
        ``transcript_id, harm, why, n_yes, n_no, n_unsure, confidence`` (the raters' mean, NaN where nobody gave any);
        `why` is ``tie``, ``disagreement`` (a majority against a minority) or ``unsure`` (no definite vote). What an
        adjudicator already decided is not in it. Ties and doubts, which leave a rate open, come first; among each,
        those of which raters were least sure.

    Examples
    --------
    >>> rows = [("t1", "leaking", "ana", 1.0), ("t1", "leaking", "bo", 0.0), ("t2", "leaking", "ana", 1.0)]
    >>> adjudication_queue(LabelSet.from_rows(rows))[["transcript_id", "why"]].values.tolist()
    [['t1', 'tie']]
    """
    votes = labels.votes()
    human = labels.frame[labels.frame["source"] == "annotation"]
    doubts = human[human["status"] == "unsure"].drop_duplicates([*_ITEM, "rater"])
    table = labels.consensus().set_index(_ITEM)
    table["n_yes"] = votes[votes["label"] == 1.0].groupby(_ITEM).size()
    table["n_no"] = votes[votes["label"] == 0.0].groupby(_ITEM).size()
    table["n_unsure"] = doubts.groupby(_ITEM).size()
    counts = table[["n_yes", "n_no", "n_unsure"]].fillna(0).astype(int)
    why = np.select(
        [
            table["how"] == "ground_truth",
            table["how"] == "tie",
            (counts["n_yes"] > 0) & (counts["n_no"] > 0),
            (table["how"] == "none") & (counts["n_unsure"] > 0),
        ],
        ["", "tie", "disagreement", "unsure"],
        "",
    )
    order = {"tie": 0, "unsure": 1, "disagreement": 2}
    queue = counts.assign(why=why)[why != ""].reset_index()
    sure = human["confidence"] if "confidence" in human else pd.Series(np.nan, index=human.index)
    queue = queue.join(sure.groupby([human[k] for k in _ITEM]).mean().rename("confidence"), on=_ITEM)
    queue = queue.assign(order=queue["why"].map(order)).sort_values(["order", "confidence", *_ITEM], kind="stable")
    shown: pd.DataFrame = queue[[*_ITEM, "why", "n_yes", "n_no", "n_unsure", "confidence"]].reset_index(drop=True)
    return shown


def consensus(labels: LabelSet, kind: Consensus = "adjudicated") -> pd.DataFrame:
    """One label per transcript and harm, by one of three rules.

    Parameters
    ----------
    labels : LabelSet
    kind : {"adjudicated", "majority", "dawid-skene"}
        ``adjudicated``: what an adjudicator said, else the majority (`LabelSet.consensus`). ``majority``: votes alone,
        so that one sees what adjudication changed. ``dawid-skene``: the probability of harm under a model of each
        rater's errors.

    Returns
    -------
    DataFrame
        ``transcript_id, harm, y`` in [0, 1]; NaN where nobody was definite.

    Raises
    ------
    ValueError
        ``dawid-skene`` with fewer than 5 votes per item or a prevalence under 5 %: with rare harms and few raters the
        model explains single votes by unreliable raters and invents prevalence.

    Examples
    --------
    >>> rows = [("t1", "leaking", "ana", 1.0), ("t1", "leaking", "bo", 1.0), ("t1", "leaking", "cy", 0.0)]
    >>> consensus(LabelSet.from_rows(rows), "majority")["y"].tolist()
    [1.0]
    """
    if kind == "dawid-skene":
        found = pd.concat([_dawid_skene(labels, harm) for harm in labels.harms], ignore_index=True)
        items: pd.DataFrame = labels.consensus()[_ITEM].merge(found, how="left", on=_ITEM)
        return items
    table = labels.consensus()
    if kind == "majority":
        share = table["share"].to_numpy(dtype=float)
        table["y"] = np.where(np.isnan(share), np.nan, 0.5 + 0.5 * np.sign(share - 0.5))
    short: pd.DataFrame = table[[*_ITEM, "y"]]
    return short


def _dawid_skene(labels: LabelSet, harm: str) -> pd.DataFrame:
    model = fit_raters(labels, harm)
    if model.notes or 1.0 not in model.values:
        reason = "; ".join(model.notes) or "nobody said yes"
        need = f"Dawid-Skene consensus must rest on {MIN_VOTES} votes per item and {MIN_PREVALENCE:.0%} prevalence"
        raise ValueError(f"{need}, got for {harm!r}: {reason}.")
    y = model.posterior[:, list(model.values).index(1.0)]
    return pd.DataFrame({"transcript_id": model.items.astype(str), "harm": harm, "y": y})
