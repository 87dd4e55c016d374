"""``harmrate init``: from files to a study file, with its decisions on record before labels are seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from calibration.study.settings import StudySettings
from calibration.study.start.detect_parts import Guess, guess_inputs
from calibration.study.start.registration import Registered, decisions, register
from calibration.study.start.study_file import write_study_file
from grader.errors import InputError


def start_study(paths: Sequence[str], out: Path, *, existing: Literal["keep", "replace"] = "keep") -> list[str]:
    """Look at the files, write the study file beside a first entry of its history, and say what to do next.

    Raises
    ------
    InputError
        No files, files that are no part of a study, a study file that is there already.
    """
    if out.exists() and existing == "keep":
        raise InputError("is there already; --force writes over it", file=out)
    if not paths:
        raise InputError("nothing to look at: name transcripts, verdicts, labels or a design")
    found = guess_inputs(paths)
    settings = StudySettings(by=found.by)
    write_study_file(_options(found, settings, out.parent), out)
    told = register(out.parent, Registered.now(decisions(settings, seed=0), found.n_labels))
    return [f"{out}: {_words(found)}", *told, *_next_steps(found)]


def _options(found: Guess, settings: StudySettings, folder: Path) -> dict[str, dict[str, Any]]:
    def seen(path: str | Path | None) -> str | None:
        return None if path is None else os.path.relpath(path, folder)

    return {
        "inputs": {
            "transcripts": [seen(path) for path in found.transcripts],
            "verdicts": seen(found.verdicts),
            "labels": seen(found.labels),
            "design": seen(found.design),
        },
        "study": {
            "by": list(settings.by),
            "cluster": settings.cluster,
            "target": settings.target,
            "method": settings.method,
            "level": settings.confidence_level,
            "seed": 0,
        },
        "report": {"out": "report"},
    }


def _words(found: Guess) -> str:
    parts = [f"transcripts in {', '.join(found.transcripts)}"] if found.transcripts else []
    parts += [f"verdicts in {found.verdicts}"] if found.verdicts else []
    parts += [f"{found.n_labels} labels in {found.labels}"] if found.labels else []
    parts += [f"the design in {found.design}"] if found.design else []
    return ", ".join(parts)


def _next_steps(found: Guess) -> list[str]:
    if not found.transcripts:
        return ["Next: add the transcripts to the file, or use `harmrate rate --study` with the verdicts alone."]
    if found.labels is None:
        return ["Next: `harmrate labels sample` draws what to label; then add `labels` and `design` to the file."]
    if found.design is None:
        return ["Next: `harmrate run`. Without a design every rate says that it is valid only for this sample."]
    return ["Next: `harmrate run`."]
