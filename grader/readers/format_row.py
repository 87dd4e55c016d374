"""What a format's file tells the core: how to recognise the format, how to read it, and what its docs say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from grader.readers.records import Record
from grader.transcript import Transcript

Parser = Callable[[Iterator[Record]], Iterator[Transcript]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row of the table of formats (`grader.readers.detect.FORMATS`).

    Parameters
    ----------
    name : str
        As in ``--format NAME``.
    parse : callable
        From the records of a file to its transcripts.
    fits : callable
        Whether one record value is of this format. Detection asks it of the first records of a file.
    unit : {"record", "file"}
        ``file``: the records of a file make up the transcripts together (lines of a session, spans).
    copies : callable, optional
        The identity of a run that may stand in several files (a resumed session, a retried evaluation): the same
        identity again counts once.
    recognised_by, id, model, scenario, failures : str
        One plain line each, for the documentation.
    """

    name: str
    parse: Parser
    fits: Callable[[Any], bool]
    unit: Literal["record", "file"] = "record"
    copies: Callable[[Transcript], str] | None = None
    recognised_by: str
    id: str
    model: str = ""
    scenario: str = ""
    failures: str = ""
