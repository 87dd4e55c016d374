"""Inspect: what a scorer returns, as plain data. The scorer itself stands in `harmrate.inspect`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from grader.harness.conversations import Conversation
from grader.harness.replies_in_words import cited, explained

# Inspect's names for why there is no score; what exactly happened stands in the explanation and the metadata.
REASONS: Mapping[str, str] = {
    "refused": "grader_failed",
    "unparseable": "grader_failed",
    "truncated": "grader_failed",
    "cannot_assess": "grader_failed",
    "too_long": "scoring_failed",
    "api_error": "scoring_failed",
    "not_graded": "scoring_failed",
}


def score_fields(
    answer: Mapping[str, Any], conversation: Conversation, message_ids: Sequence[str | None]
) -> dict[str, Any]:
    """The arguments of Inspect's ``Score``.

    Parameters
    ----------
    answer : mapping
        What `grader.harness.one.GradeOne` returned.
    conversation : Conversation
    message_ids : sequence of str or None
        Inspect's ids of the harness's messages.

    Returns
    -------
    dict
        ``value``: harm -> 1.0, 0.0 or NaN (that harm is unscored); NaN alone when no harm is scored, with Inspect's
        ``reason``. ``metadata`` holds ``transcript_id``, each harm's ``score, outcome, stage, evidence`` and grader,
        and the references that Inspect View makes links of.
    """
    harms = answer["harms"]
    fields = {
        "answer": ", ".join(h for h, said in harms.items() if said["present"]) or None,
        "explanation": explained(harms),
        "metadata": {
            "transcript_id": answer["transcript_id"],
            "harms": {harm: {k: v for k, v in said.items() if k != "explanation"} for harm, said in harms.items()},
            "scanner_references": references(harms, conversation, message_ids),
        },
    }
    if all(said["present"] is None for said in harms.values()):
        outcomes = [said["outcome"] for said in harms.values()]
        return fields | {"value": math.nan, "reason": REASONS.get(outcomes[0] if outcomes else "", "scoring_failed")}
    return fields | {"value": {h: math.nan if s["present"] is None else float(s["present"]) for h, s in harms.items()}}


def references(
    harms: Mapping[str, Mapping[str, Any]], conversation: Conversation, message_ids: Sequence[str | None]
) -> list[dict[str, str]]:
    """Which of the harness's messages the verdicts point to: ``[M4]`` -> its id, each cite once."""
    n_messages = len(conversation.transcript.messages)
    cites = sorted({message for said in harms.values() for message in cited(said, n_messages)})
    owners = {message: message_ids[conversation.owners[message]] for message in cites}
    return [{"type": "message", "cite": f"[M{m + 1}]", "id": id_} for m, id_ in owners.items() if id_]
