"""An export into a history of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labels.history import Growth, grow
from labels.label_studio.controls import ControlMap
from labels.label_studio.pull import history_rows
from labels.label_studio.read import read_rows


def import_labels(
    export: Path,
    out: Path,
    *,
    project: str = "import",
    control_map: ControlMap | None = None,
    id_field: str | None = None,
    harms: Sequence[str] | None = None,
    config: Path | None = None,
) -> tuple[Growth, tuple[str, ...]]:
    """Add the labels of an export, of whatever format, to the history in `out`.

    Parameters
    ----------
    export, control_map, id_field, harms, config
        As in `labels.read_label_studio`.
    out : path
        The history; made when it is not there.
    project : str
        What tells this project's annotations from others': a later export of the same project goes under the same name.

    Returns
    -------
    Growth, and notes for a person
        An export may show a part of its project only: what is not in it stays as it was.

    Raises
    ------
    InputError
        As `labels.read_label_studio`; `out` is no history.
    """
    rows, notes = read_rows(export, control_map=control_map, id_field=id_field, harms=harms, config=config)
    return grow(out, history_rows(rows, project)), notes
