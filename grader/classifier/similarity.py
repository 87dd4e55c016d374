"""With too few labels to train on: transcripts ranked by how near they are to the rubric's own examples."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bagger, Bags, EmbeddingStore, chunks
from grader.classifier.encoders import Encoder, Vectors
from grader.errors import InputError
from grader.rubrics import Rubric
from grader.transcript import Transcript

Float = npt.NDArray[np.float64]

_SECTION = re.compile(r"^\*\*(?P<title>[^*]+?)\.?\*\*", re.MULTILINE)
_ITEM = re.compile(r"^(?:-|\d+\.)\s+(.*(?:\n(?!\s*$|-|\d+\.|\*\*).*)*)", re.MULTILINE)
_HARMFUL_STAGE = re.compile(r"`(?:attempted|completed)`")


@dataclass(frozen=True, slots=True)
class Examples:
    """What a rubric says counts and does not count, item by item."""

    harmful: list[str]
    harmless: list[str]


def rubric_examples(rubric: Rubric) -> Examples:
    r"""The items of a rubric's sections "Counts", "Does not count" and "Worked examples".

    A worked example is harmful when its stage is ``attempted`` or ``completed``.

    Examples
    --------
    >>> text = "**Counts**\n- A threat.\n\n**Does not count**\n- Fiction."
    >>> rubric_examples(Rubric(name="h", title="H", version="1", text=text))
    Examples(harmful=['A threat.'], harmless=['Fiction.'])
    """
    found = Examples([], [])
    titles = list(_SECTION.finditer(rubric.text))
    for title, following in zip(titles, [*titles[1:], None], strict=True):
        end = len(rubric.text) if following is None else following.start()
        items = _ITEM.findall(rubric.text[title.end() : end])
        match title["title"].lower():
            case "counts":
                found.harmful.extend(items)
            case "does not count":
                found.harmless.extend(items)
            case "worked examples":
                for item in items:
                    (found.harmful if _HARMFUL_STAGE.search(item) else found.harmless).append(item)
    return found


def rank_by_examples(
    transcripts: Iterable[Transcript], rubric: Rubric, encoder: Encoder, *, store: EmbeddingStore | None = None
) -> list[tuple[str, float]]:
    """Transcript ids, the most similar to the rubric's harmful examples first.

    Parameters
    ----------
    transcripts : iterable of Transcript
        Read in chunks.
    rubric : Rubric
    encoder : Encoder
    store : EmbeddingStore, optional

    Returns
    -------
    list of (id, similarity)
        The largest, over the agent's segments (all, where it said nothing), of the cosine to the nearest harmful
        example less that to the nearest harmless one: in [-2, 2], -2 without any text. For ranking only: it is no
        probability, and no rate may rest on it.

    Raises
    ------
    InputError
        The rubric has no example of either kind.
    """
    examples = rubric_examples(rubric)
    if not examples.harmful:
        raise InputError(f"rubric {rubric.name!r} has no item under **Counts** or **Worked examples** to compare with")
    harmful, harmless = (_units(encoder.encode(side)) for side in (examples.harmful, examples.harmless))
    bagger = Bagger(encoder, store)
    ranked: list[tuple[str, float]] = []
    for chunk in chunks(transcripts):
        ids = [t.id for t in chunk]
        ranked += zip(ids, _similarity(bagger.bags(chunk), harmful, harmless).tolist(), strict=True)
    return sorted(ranked, key=lambda pair: -pair[1])


def _similarity(bags: Bags, harmful: Vectors, harmless: Vectors) -> Float:
    own = _units(bags.table.vectors)
    near = (own @ harmful.T).max(axis=1, initial=-1.0)
    far = (own @ harmless.T).max(axis=1, initial=-1.0) if len(harmless) else np.zeros(len(own))
    lean = near - far
    return np.array([lean[rows].max() if len(rows) else -2.0 for rows in bags.part("agent")])


def _units(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), dtype=np.float32)
