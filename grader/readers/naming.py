"""Ids, sources and facts by where a file is: below the folder that the user named, whatever way it was typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from grader.errors import InputError
from grader.transcript import Transcript

IdFrom = Literal["record", "path"]
_FIELD = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPattern:
    """Facts in paths: ``{model}/{scenario}/{id}.json`` names the folders from the last one up.

    Examples
    --------
    >>> read_pattern("{model}/{scenario}/{id}.json").facts("runs/gpt/mail/7.json")
    {'model': 'gpt', 'scenario': 'mail', 'id': '7'}
    """

    pattern: str
    regex: re.Pattern[str]

    def facts(self, name: str) -> dict[str, str]:
        """What a path tells; InputError when it does not fit the pattern."""
        match = self.regex.search(name)
        if match is None:
            raise InputError(f"its path does not fit --path-pattern {self.pattern!r}", file=name)
        return match.groupdict()


def read_pattern(pattern: str) -> PathPattern:
    """A pattern as the user typed it; InputError when it names nothing, or a name twice."""
    names = _FIELD.findall(re.escape(pattern))
    if not names or len(set(names)) < len(names):
        raise InputError(f"--path-pattern {pattern!r} must name what the path holds, each once: {{model}}/{{id}}.json")
    parts = _FIELD.sub(r"(?P<\1>[^/]+?)", re.escape(pattern)).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return PathPattern(pattern=pattern, regex=re.compile(rf"(?:^|/){parts.lstrip('/')}$"))


def named_transcript(
    transcript: Transcript, path: str, name: str, number: int, *, id_from: IdFrom, pattern: PathPattern | None
) -> Transcript:
    """The transcript with ids that begin with the file's `name`, and the facts of its path.

    Parameters
    ----------
    transcript : Transcript
    path : str
        The file as it was opened.
    name : str
        The file below the folder that the user named.
    number : int
        Which transcript of the file it is.
    id_from : {"record", "path"}
        ``path``: the id is the file's name and the number, so that no two files share one.
    pattern : PathPattern, optional
    """
    id_, facts = transcript.id, transcript.metadata
    if path != name and id_.startswith(path):
        id_ = name + id_[len(path) :]
    changed: dict[str, Any] = {}
    if isinstance(episode := facts.get("episode"), str) and path != name and episode.startswith(path):
        changed["episode"] = name + episode[len(path) :]
    if id_from == "path":
        changed |= {"record_id": id_} | _own_episode({**facts, **changed}, name)
        id_ = f"{name}:{number}"
    if pattern is not None:
        told = pattern.facts(name)
        if "id" in told:
            changed.setdefault("record_id", id_)
            id_ = told.pop("id") if number == 1 else f"{told.pop('id')}:{number}"
        changed |= told
    return transcript if id_ == transcript.id and not changed else _changed(transcript, id_, changed)


def _own_episode(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Runs of another file are another episode, whatever they call it."""
    return {} if facts.get("episode") is None else {"episode": f"{name}:{facts['episode']}"}


def _changed(transcript: Transcript, id_: str, changed: Mapping[str, Any]) -> Transcript:
    return replace(transcript, id=id_, metadata={**transcript.metadata, **changed})
