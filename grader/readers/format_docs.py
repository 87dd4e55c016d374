"""The table of formats in docs/formats.md, made from the readers: ``python -m grader.readers.format_docs FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from grader.files.atomic import write_text
from grader.readers.detect import FORMATS

BEGIN, END = "<!-- begin: made by grader.readers.format_docs -->", "<!-- end -->"


def formats_table() -> str:
    """One row per format of JSON records, in the order in which they are tried.

    Examples
    --------
    >>> print(formats_table().splitlines()[0])
    | format | recognised by | id | model | scenario | a run that failed |
    """
    rows: list[tuple[str, ...]] = [
        ("format", "recognised by", "id", "model", "scenario", "a run that failed"),
        ("---",) * 6,
    ]
    for row in FORMATS:
        cells = (row.recognised_by, row.id, row.model, row.scenario, row.failures or "no word of the agent")
        rows.append((f"`{row.name}`", *(cell.replace("|", "\\|") or "none" for cell in cells)))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def with_table(page: str) -> str:
    """The page with the table between its marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{formats_table()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write_text(path, with_table(path.read_text(encoding="utf-8")))
