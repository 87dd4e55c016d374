"""A sample for labelling: what a campaign's folder holds before anybody labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from calibration.study.inputs import Sources
from calibration.study.likeness import unlikeness
from grader.errors import InputError
from grader.files import write_text
from grader.metadata import metadata_frame
from grader.progress import Track, untracked
from grader.rubrics import load_rubrics
from grader.scores import grader_scores
from grader.verdict_files import read_table, read_verdicts
from labels.campaign import assign_raters, pilot_rates
from labels.designs import draw_sample, read_design, read_rounds, write_design
from labels.label_studio import label_config, write_tasks
from labels.label_studio.folder import CONFIG, DESIGN, TASKS
from labels.labelset import LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlan:
    """How many transcripts, drawn how, for whom.

    Parameters
    ----------
    n : int
    design, round : as in `labels.draw_sample`
    raters : tuple of str
        Who labels; none: whoever comes.
    overlap : int
        How many of them read each transcript.
    earlier : path, optional
        Design frame of the rounds before; its rows stay in the new frame.
    unlikeness : path, optional
        Table of ``transcript_id, unlikeness`` for ``most-unlike-training``; else what a classifier's verdicts say.
    rubrics : path, optional
        Folder of the user's own.
    seed : int
    """

    n: int
    design: str = "uniform"
    round: int = 1
    raters: tuple[str, ...] = ()
    overlap: int = 1
    earlier: Path | None = None
    unlikeness: Path | None = None
    rubrics: Path | None = None
    seed: int = 0


def sample_for_labelling(sources: Sources, plan: SamplePlan, folder: Path, *, track: Track = untracked) -> int:
    """Draw transcripts and write tasks, labelling page and design frame into `folder`.

    Parameters
    ----------
    sources : Sources
        Transcripts; verdicts where the design stratifies by them; labels so far where it is ``neyman``.
    plan : SamplePlan
    folder : path
    track : Track

    Returns
    -------
    int
        How many tasks were written: blind, without verdicts, strata or metadata. The design frame also names the
        grader whose sides were there when it was drawn, and its version.

    Raises
    ------
    InputError
        The design needs verdicts, labels or unlikeness that are not there, or more transcripts than there are; the
        folder holds another sample.
    """
    wanted = load_rubrics(plan.rubrics)
    harms = list(wanted)
    rng = np.random.default_rng(plan.seed)
    pool = metadata_frame(track(sources.read_transcripts(), "reading transcripts"))[["transcript_id"]]
    candidates = _candidates(pool, sources, harms)
    earlier = None if plan.earlier is None else read_design(plan.earlier)
    try:
        drawn = draw_sample(
            _for_design(candidates, sources, plan),
            plan.n,
            design=plan.design,
            round=plan.round,
            rng=rng,
            harms=harms,
            pilot=_pilot(plan.design, earlier, sources.read_labels(), harms),
            earlier=earlier,
        ).assign(**_drawn_by(candidates))
        who = _assigned(drawn, plan, rng)
    except ValueError as error:
        raise InputError(str(error)) from None
    frame = drawn if plan.earlier is None else pd.concat([read_rounds(plan.earlier), drawn], ignore_index=True)
    _refuse_other(folder / DESIGN, frame)
    write_tasks(sources.read_transcripts(), drawn, folder / TASKS, assigned=who)
    write_text(folder / CONFIG, label_config(wanted))
    write_design(frame, folder / DESIGN)
    return int(drawn.drop_duplicates("transcript_id")["drawn"].sum())


def _candidates(pool: pd.DataFrame, sources: Sources, harms: list[str]) -> pd.DataFrame:
    """Every transcript with what each grader says of each harm; the judge first."""
    if sources.verdicts is None:
        return pool
    scores = grader_scores(read_verdicts(sources.verdicts))
    scores = scores[scores["harm"].isin(harms)]
    said = scores.assign(flagged=scores["side"].map({1.0: True, 0.0: False}).astype(object))
    columns = ["transcript_id", "harm", "grader", "grader_kind", "grader_version", "flagged"]
    return pool.merge(said[columns], how="left")


def _for_design(candidates: pd.DataFrame, sources: Sources, plan: SamplePlan) -> pd.DataFrame:
    """What the design looks at: all graders, one judge, or how unlike the training a transcript is."""
    if plan.unlikeness is not None:
        table = read_table(plan.unlikeness)
        if missing := [c for c in ("transcript_id", "unlikeness") if c not in table]:
            raise InputError(f"a table of unlikeness needs {missing[0]!r}", file=plan.unlikeness)
        return _with_unlikeness(candidates, table.set_index(table["transcript_id"].astype(str))["unlikeness"])
    if plan.design == "most-unlike-training" and sources.verdicts is not None:
        verdicts = read_verdicts(sources.verdicts)
        known = unlikeness(verdicts)
        if known.empty:
            raise InputError("no verdict of a trained classifier, which tells unlikeness", file=sources.verdicts)
        # What was graded and has no number has no text: there is nothing to label.
        return _with_unlikeness(candidates, known.reindex(verdicts["transcript_id"].unique(), fill_value=0.0))
    if plan.design.startswith("disagree-") or "grader" not in candidates:
        return candidates
    pool = candidates[["transcript_id"]].drop_duplicates()
    own = candidates[candidates["grader"] == _judge(candidates)]
    return pool.merge(own[["transcript_id", "flagged"]], how="left")


def _with_unlikeness(candidates: pd.DataFrame, known: pd.Series[float]) -> pd.DataFrame:
    pool = candidates[["transcript_id"]].drop_duplicates()
    return pool.assign(unlikeness=pool["transcript_id"].map(known.groupby(level=0).max()))


def _judge(candidates: pd.DataFrame) -> str | None:
    """The judge, or the first grader where there is none."""
    known = candidates.dropna(subset=["grader"])
    judges = known[known["grader_kind"] == "judge"]
    first = judges if len(judges) else known
    return None if first.empty else str(first["grader"].iloc[0])


def _drawn_by(candidates: pd.DataFrame) -> dict[str, str | None]:
    """Who said what when the sample was drawn: labels of it speak of this version of the judge."""
    judge = _judge(candidates) if "grader" in candidates else None
    if judge is None:
        return {"grader": None, "grader_version": None}
    versions = candidates.loc[candidates["grader"] == judge, "grader_version"].dropna().unique()
    return {"grader": judge, "grader_version": " ".join(sorted(map(str, versions)))}


def _pilot(
    design: str, earlier: pd.DataFrame | None, labels: LabelSet | None, harms: list[str]
) -> Mapping[str, float] | None:
    """Per stratum the expected rate of the harm that varies most there: one sample serves all."""
    if design != "neyman":
        return None
    if earlier is None or labels is None:
        raise InputError("a neyman design takes its pilot from --earlier DESIGN and --labels FILE")
    rates = pd.DataFrame([pilot_rates(earlier, labels, harm) for harm in harms if harm in labels.harms])
    if rates.empty:
        raise InputError(f"no label for any of {', '.join(harms)}: a neyman design needs a pilot")
    return {str(stratum): min(column, key=lambda rate: abs(rate - 0.5)) for stratum, column in rates.items()}


def _assigned(drawn: pd.DataFrame, plan: SamplePlan, rng: np.random.Generator) -> dict[str, tuple[str, ...]] | None:
    if not plan.raters:
        return None
    once = drawn.drop_duplicates("transcript_id")
    return assign_raters(once.loc[once["drawn"], "transcript_id"].tolist(), plan.raters, plan.overlap, rng)


def _refuse_other(path: Path, frame: pd.DataFrame) -> None:
    """A design frame is what every later rate rests on: never overwrite one by another."""
    columns = ["transcript_id", "harm", "round", "drawn"]
    if path.exists():
        before = read_rounds(path)
        same = len(before) == len(frame) and before[columns].astype(str).equals(frame[columns].astype(str))
        if not same:
            raise InputError("holds another sample, which its labels need; choose another folder", file=path)
