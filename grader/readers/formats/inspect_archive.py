"""Inspect's ``.eval`` archives: samples written as one member, and samples written in chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.archive import MAX_INFLATED, Archive, open_archive
from grader.readers.formats.inspect_log import log_header, read_sample
from grader.readers.records import NoTranscripts, parse_json
from grader.transcript import Transcript

_WHOLE = re.compile(r"samples/[^/]+\.json|samples/.+_epoch_\d+\.json")
_SHELL = re.compile(r"(?P<prefix>samples/.+_epoch_\d+/)sample\.json")
_CHUNK = re.compile(r"(?P<start>\d+)\.json")


def read_inspect_eval(path: Path) -> Iterator[Transcript]:
    """Yield the transcripts of an ``.eval`` archive, sample by sample; memory holds one sample.

    Raises
    ------
    InputError
        When the archive or a sample is damaged, or it is no Inspect log.
    """
    with open_archive(path) as archive:
        name = next((n for n in ("header.json", "_journal/start.json") if n in archive.members), None)
        if name is None:
            raise NoTranscripts("is not an Inspect log: the archive has no header.json", file=path)
        header = log_header(_json(archive, name), str(path))
        number = 0
        for member in archive.members:
            if shell := _SHELL.fullmatch(member):
                sample = partial(_chunked_sample, archive, member, shell["prefix"])
            elif _WHOLE.fullmatch(member):
                sample = partial(_json, archive, member)
            else:
                continue
            number += 1
            yield from read_sample(sample, header, file=str(path), place=member, number=number)


def _json(archive: Archive, member: str) -> Any:
    return parse_json(archive.read(member), file=str(archive.path), place=member)


def _chunked_sample(archive: Archive, shell: str, prefix: str) -> Any:
    """A sample put together again: its messages are ranges of a sequence, its attachments numbered."""
    sample = _json(archive, shell)
    if not isinstance(sample, dict):
        raise InputError("a sample is no object", file=archive.path, record=shell)
    most = archive.inflated + MAX_INFLATED
    pool = _sequence(archive, prefix + "messages/", most)
    attachments = _sequence(archive, prefix + "attachments/", most)
    sample["attachments"] = {str(number): text for number, text in enumerate(attachments)}
    sample["message_pool"] = pool
    if sample.get("timelines"):
        sample["events"] = _sequence(archive, prefix + "events/", most)
    if (metadata := prefix + "metadata.json") in archive.members:
        sample["metadata"] = _json(archive, metadata)
    return sample


def _sequence(archive: Archive, prefix: str, most: int) -> list[Any]:
    """The items of a sequence, from chunks that are named by the number of their first item.

    `most` is how many bytes the archive may have inflated to by then.
    """
    starts = [
        (int(chunk["start"]), member)
        for member in archive.members
        if member.startswith(prefix) and (chunk := _CHUNK.fullmatch(member, len(prefix)))
    ]
    items: list[Any] = []
    for start, member in sorted(starts):
        chunk = _json(archive, member)
        if not isinstance(chunk, list) or start != len(items):
            raise InputError("a chunk is missing or damaged", file=archive.path, record=member)
        if archive.inflated > most:
            raise InputError(f"the sample inflates past {MAX_INFLATED} bytes", file=archive.path, record=member)
        items.extend(chunk)
    return items
