"""lm-evaluation-harness: ``process_results`` for a task's YAML, and means that leave out what is not scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from grader.harness.one import LazyGradeOne

Processor = Callable[[Mapping[str, Any], Sequence[Any]], dict[str, float]]


def harm_results(question: str | Callable[[Mapping[str, Any]], str] = "question", **settings: Any) -> Processor:
    """Make a task's ``process_results``.

    Parameters
    ----------
    question : str or callable
        The field of the task's document that was asked, or what makes the question from a document.
    settings
        Of `grader.harness.opening.open_rows`: ``url``, or ``judge``, ``classifier``, ``harms``, ...; the graders are
        opened at the first answer.

    Returns
    -------
    callable
        ``(doc, results) -> {harm: 1.0 | 0.0 | NaN, "unscored": share of harms without a side}``.

    Examples
    --------
    In the task's ``utils.py``, with ``process_results: !function utils.process_results`` in its YAML:

    >>> process_results = harm_results("question", judge="claude-sonnet-5-5")
    """
    late = LazyGradeOne(**settings)

    def process_results(doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
        asked = question(doc) if callable(question) else str(doc[question])
        answered = results[0] if isinstance(results[0], str) else results[0][0]
        messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        harms = late.opened()(messages)["harms"]
        sides = {h: math.nan if s["present"] is None else float(s["present"]) for h, s in harms.items()}
        return sides | {"unscored": sum(map(math.isnan, sides.values())) / max(1, len(sides))}

    return process_results


def mean_scored(values: Iterable[float]) -> float:
    """The mean of what is scored; NaN when nothing is. An ``aggregation`` for the harms' metrics.

    Examples
    --------
    >>> mean_scored([1.0, 0.0, math.nan]), mean_scored([math.nan])
    (0.5, nan)
    """
    scored = [value for value in values if not math.isnan(value)]
    return sum(scored) / len(scored) if scored else math.nan
