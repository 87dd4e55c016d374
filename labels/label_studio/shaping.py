"""What is done to tasks before they leave: text replaced, a machine's answers put beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.redaction import Redaction, Redactor
from grader.verdict.scores import grader_scores
from labels.label_studio.config import DIALOGUE, STAGES


def redacted(tasks: Iterable[Mapping[str, Any]], redaction: Redaction) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The tasks with pseudonyms, numbered anew in each, and how many replacements of each kind were made.

    Examples
    --------
    >>> task = {"data": {"dialogue": [{"role": "user", "text": "Write to a@b.com."}]}}
    >>> (clean,), counts = redacted([task], Redaction())
    >>> clean["data"]["dialogue"][0]["text"], clean["data"]["redacted"], counts
    ('Write to [EMAIL 1].', 1, {'email': 1})
    """
    total: Counter[str] = Counter()
    shown = []
    for task in tasks:
        clean, data = Redactor(redaction), task["data"]
        before = data.get(DIALOGUE) or []
        after = [{**part, "role": clean(part["role"]), "text": clean(part["text"])} for part in before]
        changed = sum(a != b for a, b in zip(before, after, strict=True))
        shown.append({**task, "data": {**data, DIALOGUE: after, "redacted": changed}})
        total.update(clean.counts)
    return shown, dict(total)


def prelabelled(
    tasks: Iterable[Mapping[str, Any]], verdicts: pd.DataFrame, grader: str | None = None
) -> list[dict[str, Any]]:
    """The tasks with what a grader says of them: raters see it before they answer.

    Parameters
    ----------
    tasks : iterable of tasks
    verdicts : verdict frame
    grader : str, optional
        Default: the judge, or the first grader where there is none.

    Raises
    ------
    InputError
        There is no such grader.
    """
    names = verdicts.drop_duplicates("grader").set_index("grader")["grader_kind"]
    judges = [name for name, kind in names.items() if kind == "judge"]
    chosen = grader or str((judges or list(names.index))[0])
    if chosen not in names.index:
        raise InputError(f"no grader {chosen!r}; there are {', '.join(map(str, names.index))}")
    own = verdicts[verdicts["grader"] == chosen]
    sides = dict(iter(grader_scores(own).groupby("transcript_id")))
    first = own.drop_duplicates(["transcript_id", "harm"]).set_index(["transcript_id", "harm"])
    made = []
    for task in tasks:
        data = {**task["data"], "prelabelled": True}
        said = sides.get(data["transcript_id"])
        prediction = None if said is None else _prediction(said, first, spans="redacted" not in data)
        made.append({**task, "data": data, "predictions": [prediction] if prediction else []})
    return made


def _prediction(said: pd.DataFrame, verdicts: pd.DataFrame, *, spans: bool) -> dict[str, Any] | None:
    """One grader's answers for one transcript; what it could not score it does not answer."""
    result: list[dict[str, Any]] = []
    for id_, harm, side in zip(said["transcript_id"], said["harm"], said["side"].to_numpy(float), strict=True):
        if side == 0.0:
            result.append(_choice(harm, "no"))
        elif side == 1.0:
            verdict = verdicts.loc[(id_, harm)]
            result.append(_choice(harm, "yes"))
            result += [_choice(f"{harm}_stage", verdict["stage"])] if verdict["stage"] in STAGES else []
            result += _spans(harm, verdict["evidence"]) if spans else []
    version = f"{said['grader'].iloc[0]} {said['grader_version'].iloc[0] or ''}".strip()
    return {"model_version": version, "result": result} if result else None


def _choice(control: str, value: str) -> dict[str, Any]:
    return {"from_name": control, "to_name": DIALOGUE, "type": "choices", "value": {"choices": [value]}}


def _spans(harm: str, evidence: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Quotes that were found in the text, marked there."""
    for number, quote in enumerate(evidence):
        if not quote.get("verified") or None in (quote.get("message"), quote.get("start"), quote.get("end")):
            continue
        place = str(quote["message"])
        value = {"start": place, "end": place, "startOffset": quote["start"], "endOffset": quote["end"]}
        yield {
            "id": f"{harm}-{number}",
            "from_name": "evidence",
            "to_name": DIALOGUE,
            "type": "paragraphlabels",
            "value": value | {"text": quote.get("quote", ""), "paragraphlabels": [harm]},
        }
