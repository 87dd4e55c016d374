"""Which segments drove a score: those without which it would be lower."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.classifier.bags import Bags
from grader.classifier.training import HarmModel

# Of a longer transcript only the last segments are tried, where deeds are.
_MOST_TRIED = 128


def driving_segments(model: HarmModel, bags: Bags, i: int, fold: int, *, n: int = 3) -> list[dict[str, Any]]:
    """The segments of transcript `i` whose absence lowers its log-odds most, the strongest first.

    Parameters
    ----------
    model : HarmModel
    bags : Bags
    i : int
    fold : int
        The transcript's, -1 when it was not labelled.
    n : int
        At most this many.

    Returns
    -------
    list of dict
        ``message, start, end``: the segment is ``messages[message].text[start:end]``. ``weight``: by how much the
        log-odds fall without it; positive.
    """
    tried = np.arange(len(bags.rows[i]))[-_MOST_TRIED:]
    without = bags.without_each(i, tried)
    fall = model.log_odds(bags.take([i]), np.array([fold]))[0] - model.log_odds(without, np.full(len(without), fold))
    strongest = np.argsort(-fall, kind="stable")[:n]
    cut = bags.segments[i]
    return [
        {"message": s.message, "start": s.start, "end": s.end, "weight": round(float(fall[k]), 4)}
        for k, s in ((k, cut[int(tried[k])]) for k in strongest)
        if fall[k] > 0
    ]
