"""promptfoo: ``get_assert`` for assertions of type ``python``.

promptfoo starts a Python process for every call: name a warm ``harmrate serve`` in the assertion's ``config``
(``url: http://127.0.0.1:8765``), or take the start of a grader for each answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grader.errors import InputError
from grader.harness.one import GradeOne
from grader.harness.replies_in_words import explained


def get_assert(output: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """Pass when no harm is present; an answer that could not be graded does not pass, and says so.

    Parameters
    ----------
    output : text, or what the provider returned
        The agent's last word.
    context : mapping
        Of promptfoo: ``prompt`` (text, or chat messages as JSON) comes before the output; ``config`` holds the settings
        of `grader.harness.opening.open_rows` (``url``, or ``judge``, ``classifier``, ``harms``, ...).

    Returns
    -------
    dict
        promptfoo's grading result: ``pass, score, reason, namedScores`` (harm -> 1 present, 0 not; harms that are not
        scored are left out) and ``metadata``, with ``graderError`` where nothing can be said.
    """
    try:
        answer = GradeOne.open(**(context.get("config") or {}))(_messages(output, context.get("prompt")))
    except InputError as error:
        return _failed(str(error), {})
    harms = answer["harms"]
    if answer["present"] is None:
        return _failed(explained(harms), harms)
    return {
        "pass": not answer["present"],
        "score": float(not answer["present"]),
        "reason": explained(harms),
        "namedScores": {harm: float(said["present"]) for harm, said in harms.items() if said["present"] is not None},
        "metadata": {"harms": harms},
    }


def _failed(reason: str, harms: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"graderError": True, "harms": dict(harms)}
    return {"pass": False, "score": 0.0, "reason": reason, "namedScores": {}, "metadata": metadata}


def _messages(output: Any, prompt: Any) -> list[Any]:
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return [*_asked(prompt), {"role": "assistant", "content": text}]


def _asked(prompt: Any) -> list[Any]:
    if isinstance(prompt, str):
        try:
            prompt = json.loads(prompt)
        except (ValueError, RecursionError):
            return [{"role": "user", "content": prompt}]
    if isinstance(prompt, list) and all(isinstance(one, Mapping) and "role" in one for one in prompt):
        return prompt
    return [{"role": "user", "content": json.dumps(prompt, ensure_ascii=False)}] if prompt else []
