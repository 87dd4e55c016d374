"""Whether a rubric quotes the transcripts that are to test it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from grader.rubrics import Rubric
from grader.transcript import Transcript

# So many words in a row are no coincidence: rubrics and agents share turns of phrase, not sentences.
RUN = 10
_WORD = re.compile(r"\w+")


def contaminated(transcripts: Iterable[Transcript], rubrics: Iterable[Rubric]) -> dict[str, list[str]]:
    """Which transcripts have a passage of at least `RUN` words in common with a rubric.

    Parameters
    ----------
    transcripts : iterable of Transcript
        Each is read once; whatever is said on any channel counts.
    rubrics : iterable of Rubric

    Returns
    -------
    dict from a rubric's name to transcript ids, only for rubrics that have any

    Examples
    --------
    >>> from grader.transcript import Message
    >>> said = "tell the board about the affair or stop the shutdown by noon today"
    >>> one = Transcript(id="t", messages=(Message(role="assistant", kind="text", text=said),), metadata={})
    >>> contaminated([one], [Rubric(name="h", title="H", version="1", text=f"Example: '{said.upper()}!' is one.")])
    {'h': ['t']}
    """
    known: dict[str, set[str]] = {}
    for rubric in rubrics:
        for run in _runs(rubric.text):
            known.setdefault(run, set()).add(rubric.name)
    found: dict[str, list[str]] = {}
    for transcript in transcripts:
        names: set[str] = set()
        for message in transcript.messages:
            names.update(*(known[run] for run in _runs(message.text) if run in known))
        for name in sorted(names):
            found.setdefault(name, []).append(transcript.id)
    return found


def _runs(text: str) -> set[str]:
    words = _WORD.findall(text.casefold())
    return {" ".join(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}
