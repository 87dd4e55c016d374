"""From a Label Studio export to a LabelSet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from grader.errors import InputError
from labels.label_studio.answers import Export
from labels.label_studio.config import Control, read_config
from labels.label_studio.controls import ControlMap, label_rows
from labels.label_studio.export import read_export
from labels.labelset import LabelSet

_BESIDE = "label_config.xml"


def read_label_studio(
    path: Path | str,
    *,
    control_map: ControlMap | None = None,
    id_field: str | None = None,
    harms: Sequence[str] | None = None,
    config: Path | str | None = None,
) -> LabelSet:
    """Human labels from a Label Studio export: JSON, JSON_MIN, CSV, TSV, a snapshot or a page of the API.

    Two shapes of labelling configuration need no map: one choice control per harm, named like the harm, with yes / no
    / unsure; and one control whose values are names of harms (chosen 1, not chosen 0, ``none`` all 0).

    Parameters
    ----------
    path : path
        The export; its content says which format it is.
    control_map : mapping, optional
        ``{"verdict": {"blackmail": ["coercion"]}}``: harm ``blackmail`` is 1 when control ``verdict`` holds one of
        these values, NaN for ``unsure``, else 0. A taxonomy's value is a path (``Harm/Leaking``) or any name on it; a
        rating or number may be compared (``>=3``). Only the harms of the map are read then.
    id_field : str, optional
        The field of the task's data that holds the transcript's id; default ``transcript_id``, else ``id``, else the
        task id.
    harms : sequence of str, optional
        Known harms; default those of the shipped rubrics.
    config : path, optional
        The project's labelling configuration (XML); default ``label_config.xml`` beside the export, where that fits.
        JSON_MIN, CSV and TSV do not tell controls from task data without it.

    Returns
    -------
    LabelSet
        A skip has status ``skipped``, as has an annotation submitted without an answer; an unsure answer NaN; drafts
        and predictions are kept and never vote; raters are Label Studio's user ids as text, which all formats carry.

    Raises
    ------
    InputError
        No export, cut file, no control that speaks of a harm, one rater with two values for one transcript.

    Examples
    --------
    >>> import json, tempfile, pathlib
    >>> said = [{"from_name": "fraud", "type": "choices", "value": {"choices": ["yes"]}}]
    >>> task = {"id": 1, "data": {"transcript_id": "t1"}, "annotations": [{"completed_by": 7, "result": said}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "export.json")
    ...     _ = path.write_text(json.dumps([task]))
    ...     read_label_studio(path, harms=["fraud"]).frame[["transcript_id", "rater", "label"]].values.tolist()
    [['t1', '7', 1.0]]
    """
    path = Path(path)
    rows, notes = read_rows(path, control_map=control_map, id_field=id_field, harms=harms, config=config)
    try:
        return LabelSet(frame=_shown_columns(rows), notes=notes)
    except InputError as error:
        raise InputError(error.reason, file=path, record=error.record) from None


def read_rows(
    path: Path,
    *,
    control_map: ControlMap | None = None,
    id_field: str | None = None,
    harms: Sequence[str] | None = None,
    config: Path | str | None = None,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of `read_label_studio` with all that an export tells of each, and notes."""
    export = read_export(path, id_field=id_field)
    try:
        controls = _config_for(path, export, config)
        known = tuple(harms) if harms is not None else known_harms()
        rows, notes = label_rows(export, control_map=control_map, harms=known, config=controls)
        if rows.empty:
            raise InputError(f"{export.n_tasks} tasks, and nobody annotated any")
    except InputError as error:
        raise InputError(error.reason, file=error.file or path, record=error.record) from None
    return rows, notes


def known_harms() -> tuple[str, ...]:
    """The harms of the shipped rubrics."""
    from grader.rubrics import load_rubrics

    return tuple(load_rubrics())


def _shown_columns(rows: pd.DataFrame) -> pd.DataFrame:
    return rows if rows["rater_email"].notna().any() else rows.drop(columns="rater_email")


def _config_for(path: Path, export: Export, config: Path | str | None) -> Mapping[str, Control] | None:
    """The configuration that was named; else the one beside the export, if it knows every control found."""
    place = Path(config) if config is not None else path.with_name(_BESIDE)
    if config is None and not place.is_file():
        return None
    try:
        text = place.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise InputError("cannot be read as a labelling configuration", file=place) from None
    controls = read_config(text, file=place)
    if config is None:
        used = {name for answer in export.answers for name in answer.values}
        fits = bool(used & controls.keys()) if export.flat else used <= controls.keys()
        return controls if fits else None
    return controls
