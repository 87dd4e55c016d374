"""The one error that bad input raises."""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """Input that cannot be used, told in one line: which file, which record, why.

    Parameters
    ----------
    reason : str
        What is wrong, with the offending value.
    file : path or str, optional
        Where the input came from.
    record : str, optional
        Which record of the file: ``line 3``, ``task 214``, ``transcript 'a'``.

    Examples
    --------
    >>> str(InputError("'maybe' is not a label", file="export.json", record="task 214"))
    "export.json: task 214: 'maybe' is not a label"
    """

    def __init__(self, reason: str, *, file: Path | str | None = None, record: str | None = None) -> None:
        self.reason = reason
        self.file = None if file is None else str(file)
        self.record = record
        super().__init__(": ".join(part for part in (self.file, record, reason) if part))
