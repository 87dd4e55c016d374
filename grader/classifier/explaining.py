"""Which segments drove a score: those without which it would be lower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.training import HarmModel

Ints = npt.NDArray[np.intp]

# Of a longer transcript only the last segments are tried, where deeds are.
_MOST_TRIED = 128
# Segments looked at in one go; a head asked once for many transcripts is ten times as fast as asked for each.
_MOST_AT_ONCE = 65_536


def driving_segments(
    model: HarmModel, bags: Bags, which: Sequence[int], fold: Ints, *, n: int = 3
) -> list[list[dict[str, Any]]]:
    """The segments of some transcripts whose absence lowers their log-odds most, the strongest first.

    Parameters
    ----------
    model : HarmModel
    bags : Bags
    which : sequence of int
        Which of the bags.
    fold : int array of shape (len(which),)
        The head that scores each.
    n : int
        At most this many a transcript.

    Returns
    -------
    list of list of dict, one per transcript
        ``message, start, end``: the segment is ``messages[message].text[start:end]``. ``weight``: by how much the
        log-odds fall without it, to four digits; positive.
    """
    whole = model.log_odds(bags.take(which), fold)
    strongest_of: list[list[dict[str, Any]]] = []
    for part in _parts(bags, which):
        tried = [_tried(bags, which[k]) for k in part]
        without = bags.without_each([which[k] for k in part], tried)
        sizes = [len(places) for places in tried]
        fall = np.repeat(whole[part], sizes) - model.log_odds(without, np.repeat(fold[part], sizes))
        for k, places, values in zip(part, tried, np.split(fall, np.cumsum(sizes)[:-1]), strict=True):
            strongest = np.argsort(-values, kind="stable")[:n]
            cut = [bags.segments[which[k]][j] for j in places[strongest].tolist()]
            segments = [
                {"message": s.message, "start": s.start, "end": s.end, "weight": round(float(weight), 4)}
                for s, weight in zip(cut, values[strongest], strict=True)
            ]
            strongest_of.append([segment for segment in segments if segment["weight"] > 0])
    return strongest_of


def _tried(bags: Bags, i: int) -> Ints:
    return np.arange(len(bags.rows[i]))[-_MOST_TRIED:]


def _parts(bags: Bags, which: Sequence[int]) -> Iterator[list[int]]:
    """Places in `which`, as many at a time as stay within `_MOST_AT_ONCE`, at least one."""
    part: list[int] = []
    n_segments = 0
    for k, i in enumerate(which):
        own = len(_tried(bags, i)) * len(bags.rows[i])
        if part and n_segments + own > _MOST_AT_ONCE:
            yield part
            part, n_segments = [], 0
        part.append(k)
        n_segments += own
    if part:
        yield part
