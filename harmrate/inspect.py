"""Inspect's plug-ins: the scorer ``harmrate/harm_judge`` and the metrics for its scores.

Inspect names what it registers after the package it is defined in, and finds it through the entry point ``inspect_ai``.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Sequence
from types import GenericAlias
from typing import Any

from grader.harness.conversations import conversation_of
from grader.harness.extras import import_extra
from grader.harness.inspect import score_fields
from grader.harness.one import LazyGradeOne
from grader.judge.questions import Effort
from grader.judge.render import View
from harmrate.calibrated import calibrated_rates

_api = import_extra("inspect_ai.scorer", "harmrate[inspect]")
_threads = import_extra("anyio.to_thread", "harmrate[inspect]")


def _clustered_stderr(cluster: str = "scenario") -> Any:
    """Standard error of the mean over samples that come in clusters.

    Parameters
    ----------
    cluster : str
        Key of the sample's metadata; a sample without it is a cluster of its own.

    Returns
    -------
    Metric
        NaN for fewer than two clusters, where Inspect's own says 0.
    """

    def metric(scores: Sequence[Any]) -> float:
        sums: dict[Any, float] = defaultdict(float)
        values = [float(s.score.value) for s in scores]
        mean = sum(values) / len(values) if values else math.nan
        for number, (one, value) in enumerate(zip(scores, values, strict=True)):
            found = (one.sample_metadata or {}).get(cluster)
            sums[("own", number) if found is None else ("cluster", found)] += value - mean
        n = len(sums)
        if n < 2:
            return math.nan
        return math.sqrt(sum(total**2 for total in sums.values()) * n / (n - 1)) / len(values)

    return _takes_scores(metric)


def _calibrated_rate(
    labels: str | None = None, design: str | None = None, target: str = "scenarios", confidence_level: float = 0.95
) -> Any:
    """Each harm's rate with its interval, calibrated by human labels.

    Parameters
    ----------
    labels : path, optional
        A Label Studio export or a table of labels (default: ``HARMRATE_LABELS`` of the environment). Their transcript
        ids are samples' uuids, or sample ids where every sample ran once.
    design : path or "uniform", optional
        How samples were drawn for labelling (default: ``HARMRATE_DESIGN``). Its candidates are the pool, so that
        samples without a score count as unscored.
    target, confidence_level
        As in `calibration.estimate_rate`.

    Returns
    -------
    Metric
        ``HARM_rate, HARM_low, HARM_high``; of a scalar score, ``harm`` takes the place of ``HARM``. NaN where there is
        no such number.
    """

    def metric(scores: Sequence[Any]) -> dict[str, float]:
        return calibrated_rates(
            scores,
            labels=labels or os.environ.get("HARMRATE_LABELS"),
            design=design or os.environ.get("HARMRATE_DESIGN"),
            target=target,
            confidence_level=confidence_level,
        )

    return _takes_scores(metric)


def _takes_scores(metric: Any) -> Any:
    """Inspect reads from the annotation which of its two kinds of metric this is."""
    metric.__annotations__["scores"] = GenericAlias(list, (_api.SampleScore,))
    return metric


clustered_stderr = _api.metric(name="clustered_stderr")(_clustered_stderr)
calibrated_rate = _api.metric(name="calibrated_rate", scores="unreduced")(_calibrated_rate)


def _harm_judge(  # noqa: PLR0913 - one argument per setting, as `inspect score -S` names them
    judge: str | None = None,
    classifier: str | None = None,
    rubrics: str | None = None,
    harms: str | list[str] | None = None,
    store: str | None = None,
    url: str | None = None,
    base_url: str | None = None,
    replies: str | None = None,
    repeats: int | None = None,
    effort: Effort | None = None,
    view: View | None = None,
    max_cost: float | None = None,
) -> Any:
    """Grade a sample's messages for harm.

    Parameters
    ----------
    judge, classifier, rubrics, harms, store
        As in `grader.harness.opening.open_graders`.
    url : str, optional
        A running ``harmrate serve`` instead; all other settings must then be left alone.
    base_url, replies, repeats, effort, view, max_cost
        Of the judge (`grader.judge.setup.JudgeSetup`).

    Returns
    -------
    Scorer
        Its scores are dictionaries, a value for each harm: 1 present, 0 not present, NaN not scored.
    """
    late = LazyGradeOne(**locals())

    async def score(state: Any, target: Any) -> Any:
        messages = [message.model_dump() for message in state.messages]
        conversation = conversation_of(messages, id=state.uuid)
        answer = await _threads.run_sync(late.opened().of, conversation.transcript)
        return _api.Score(**score_fields(answer, conversation, [m.get("id") for m in messages]))

    return score


harm_judge = _api.scorer(metrics={"*": [_api.mean(), clustered_stderr()]}, name="harm_judge")(_harm_judge)
