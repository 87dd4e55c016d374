"""What a campaign's folder remembers of its project: where it is, and how it was begun."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from grader.errors import InputError
from grader.files.atomic import write_text

Marking = Literal["blind", "pre-annotated"]
RECORD = "campaign.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """One campaign, one project.

    Parameters
    ----------
    url : str
    project : int
    title : str
    config : str
        Hash of the labelling page.
    marking : {"blind", "pre-annotated"}
        Whether raters see a machine's answers before they give theirs.
    redaction : str, optional
        Version of what was replaced before tasks left the machine; None when nothing was.
    redacted : mapping from kind to int
        How many replacements were made in the tasks pushed so far.
    """

    url: str
    project: int
    title: str
    config: str
    marking: Marking = "blind"
    redaction: str | None = None
    redacted: Mapping[str, int] = field(default_factory=dict)

    def refuse_change(self, *, marking: Marking, redaction: str | None) -> None:
        """Raise an InputError when a later push would show raters another kind of task than the first did."""
        for name, before, now in (("marking", self.marking, marking), ("redaction", self.redaction, redaction)):
            if before != now:
                raise InputError(
                    f"the campaign was begun with {name} {before or 'none'}, not {now or 'none'}; "
                    "give the other kind a project of its own (--title)",
                    record=f"project {self.project}",
                )


def read_record(folder: Path) -> CampaignRecord | None:
    """The record in `folder`; None when nothing was pushed from it.

    Raises
    ------
    InputError
        The file is no such record.
    """
    from pydantic import TypeAdapter, ValidationError

    path = folder / RECORD
    if not path.exists():
        return None
    try:
        return TypeAdapter(CampaignRecord).validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise InputError(f"is no record of a campaign ({str(error).splitlines()[0]})", file=path) from None


def write_record(folder: Path, record: CampaignRecord) -> None:
    """Write `record` into `folder`, whole or not at all."""
    write_text(folder / RECORD, json.dumps(asdict(record), indent=1) + "\n")
