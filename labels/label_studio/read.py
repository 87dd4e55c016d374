"""From a Label Studio export to a LabelSet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.errors import InputError
from labels.label_studio.answers import Export
from labels.label_studio.config import Control, read_config
from labels.label_studio.controls import LabelRows, label_rows
from labels.label_studio.export import read_export
from labels.labelset import LabelSet
from labels.meaning import ControlMap, LabelMeaning, Rest
from labels.rater_names import with_rater_names

_BESIDE = "label_config.xml"


def read_label_studio(
    path: Path | str,
    *,
    control_map: ControlMap | None = None,
    unsure: Mapping[str, Sequence[str]] | None = None,
    rest: Rest = "error",
    id_field: str | None = None,
    allow_unused: bool = False,
    raters: Mapping[str, str] | None = None,
    harms: Sequence[str] | None = None,
    config: Path | str | None = None,
) -> LabelSet:
    """Human labels from a Label Studio export: JSON, JSON_MIN, CSV, TSV, a snapshot, a page of the API or a storage.

    Two shapes of labelling configuration need no map: one choice control per harm, named like the harm, with yes / no
    / unsure; and one control whose values are names of harms (chosen 1, not chosen 0, ``none`` all 0).

    Parameters
    ----------
    path : path
        The export, whose content says which format it is, or the folder of a target storage.
    control_map : mapping, optional
        ``{"verdict": {"blackmail": ["coercion"]}}``: harm ``blackmail`` is 1 when control ``verdict`` holds one of
        these values. A taxonomy's value is a path (``Harm/Leaking``) or any name on it; a rating or number may be
        compared (``>=3``). Only the harms of the map are read then.
    unsure : mapping, optional
        ``{"verdict": ["Cannot tell"]}``: values that are no answer (NaN), as ``unsure`` always is.
    rest : {"error", "no", "unsure"}
        What a value of a mapped control means that nothing names; by default it is refused with all such values and
        their counts. ``no``, ``none`` and what the map names for another harm mean no; so does, on a control of spans
        or regions, a submitted annotation without one.
    id_field : str, optional
        The field of the task's data that holds the transcript's id; default ``transcript_id``, else ``id``, else the
        task id.
    allow_unused : bool
        Whether the options may name controls and values that do not occur yet.
    raters : mapping, optional
        A rater's id or e-mail -> the name to show; default: the name or e-mail that the export gives, else the id.
        `LabelSet.named` puts it in the place of the id.
    harms : sequence of str, optional
        Known harms; default those of the shipped rubrics.
    config : path, optional
        The project's labelling configuration (XML); default ``label_config.xml`` beside the export, where that fits.
        JSON_MIN, CSV and TSV do not tell controls from task data without it.

    Returns
    -------
    LabelSet
        A skip has status ``skipped``, as has an annotation submitted without an answer; an unsure answer NaN; drafts
        and predictions are kept and never vote. Raters are Label Studio's user ids as text, which all formats
        carry; answers that name no account are one rater, ``unknown (N)``.

    Raises
    ------
    InputError
        No export, cut file, no control that speaks of a harm, one rater with two values for one transcript at no known
        time.

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
    meaning = LabelMeaning(
        control_map=control_map,
        unsure=unsure,
        rest=rest,
        id_field=id_field,
        raters=raters or {},
        allow_unused=allow_unused,
        harms=harms,
        config=config,
    )
    return export_labels(Path(path), meaning)


def export_labels(path: Path, meaning: LabelMeaning) -> LabelSet:
    """`read_label_studio` with a `LabelMeaning`."""
    rows = read_rows(path, meaning)
    try:
        frame, notes = with_rater_names(rows.frame, meaning.raters, allow_unused=meaning.allow_unused)
        frame = frame.drop(columns=[c for c in ("rater_email", "rater_name") if frame[c].isna().all()])
        return LabelSet(frame=frame, notes=(*rows.notes, *notes), dropped=rows.dropped)
    except InputError as error:
        raise InputError(error.reason, file=path, record=error.record) from None


def read_rows(path: Path, meaning: LabelMeaning) -> LabelRows:
    """The rows of `read_label_studio` with all that an export tells of each."""
    if meaning.columns:
        raise InputError("is an export of Label Studio: --columns is for tables of labels (use --map)", file=path)
    export = read_export(path, id_field=meaning.id_field)
    try:
        rows = label_rows(export, meaning, _config_for(path, export, meaning.config))
        if rows.frame.empty:
            raise InputError(f"{export.n_tasks} tasks, and nobody annotated any")
    except InputError as error:
        raise InputError(error.reason, file=error.file or path, record=error.record) from None
    if (rows.frame["source"] == "prediction").all():
        note = f"{export.n_tasks} tasks hold predictions of machines and no annotation: nobody labelled anything."
        return replace(rows, notes=(*rows.notes, note))
    return rows


def _config_for(path: Path, export: Export, config: Path | str | None) -> Mapping[str, Control] | None:
    """The configuration that was named; else the one beside the export, if it knows every control found."""
    beside = path / _BESIDE if path.is_dir() else path.with_name(_BESIDE)
    place = Path(config) if config is not None else beside
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
