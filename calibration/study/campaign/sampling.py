"""A sample for labelling: what a campaign's folder holds before anybody labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from calibration.study.campaign.sample_plan import (
    Sampled,
    SamplePlan,
    asked_rubrics,
    assigned,
    expected_rates,
    first_judge,
)
from calibration.study.campaign.shard_sampling import sample_from_shards
from calibration.study.classifier_facts import unlikeness
from calibration.study.inputs import Sources, load
from grader.errors import InputError
from grader.files.atomic import write_text
from grader.progress import Track, untracked
from grader.verdict.scores import grader_scores
from grader.verdict.shards import holds_shards
from grader.verdict.tables import read_table
from labels.label_studio import label_config, write_tasks
from labels.label_studio.definitions import instructions
from labels.label_studio.folder import CONFIG, DESIGN, INSTRUCTIONS, TASKS
from labels.sampling.designs import draw_sample, read_design, read_rounds, write_design


def sample_for_labelling(sources: Sources, plan: SamplePlan, folder: Path, *, track: Track = untracked) -> Sampled:
    """Draw transcripts and write tasks, labelling page and design frame into `folder`.

    Parameters
    ----------
    sources : Sources
        Transcripts; verdicts where the design stratifies by them; labels so far where it is ``neyman``. Verdicts in
        shards (`grader.verdict.shards`) are a pool that memory need not hold: see
        `calibration.study.campaign.shard_sampling`.
    plan : SamplePlan
    folder : path
    track : Track

    Returns
    -------
    Sampled
        Tasks are blind, without verdicts, strata or metadata. The design frame also names the grader whose sides were
        there when it was drawn, and its version.

    Raises
    ------
    InputError
        The design needs verdicts, labels or unlikeness that are not there, or more transcripts than there are; the
        folder holds another sample.
    """
    if isinstance(sources.verdicts, str | Path) and holds_shards(sources.verdicts):
        return sample_from_shards(sources, sources.verdicts, plan, folder, track=track)
    rng = np.random.default_rng(plan.seed)
    data = load(sources, track=track)
    wanted, notes = asked_rubrics(plan, None if data.verdicts is None else data.verdicts["harm"])
    harms = list(wanted)
    if data.pool is None:
        raise InputError("no transcripts: name files or folders")
    candidates = _candidates(data.pool[["transcript_id"]], data.verdicts, harms)
    earlier = None if plan.earlier is None else read_design(plan.earlier)
    try:
        drawn = draw_sample(
            _for_design(candidates, data.verdicts, plan),
            plan.n,
            design=plan.design,
            round=plan.round,
            rng=rng,
            harms=harms,
            pilot=expected_rates(plan.design, earlier, data.labels, harms),
            earlier=earlier,
        ).assign(**_drawn_by(candidates))
        once = drawn.drop_duplicates("transcript_id")
        who = assigned(once.loc[once["drawn"], "transcript_id"].tolist(), plan, rng)
    except ValueError as error:
        raise InputError(str(error)) from None
    frame = drawn if plan.earlier is None else pd.concat([read_rounds(plan.earlier), drawn], ignore_index=True)
    _refuse_other(folder / DESIGN, frame)
    write_tasks(sources.read_transcripts(), drawn, folder / TASKS, assigned=who)
    write_text(folder / CONFIG, label_config(wanted))
    write_text(folder / INSTRUCTIONS, instructions(wanted.values()))
    write_design(frame, folder / DESIGN)
    return Sampled(n_tasks=int(once["drawn"].sum()), design=folder / DESIGN, notes=notes, ledger=data.ledger)


def _candidates(pool: pd.DataFrame, verdicts: pd.DataFrame | None, harms: list[str]) -> pd.DataFrame:
    """Every transcript with each grader's side on each harm; the judge first."""
    if verdicts is None:
        return pool
    scores = grader_scores(verdicts)
    scores = scores[scores["harm"].isin(harms)]
    said = scores.assign(flagged=scores["side"].map({1.0: True, 0.0: False}).astype(object))
    columns = ["transcript_id", "harm", "grader", "grader_kind", "grader_version", "flagged"]
    return pool.merge(said[columns], how="left")


def _for_design(candidates: pd.DataFrame, verdicts: pd.DataFrame | None, plan: SamplePlan) -> pd.DataFrame:
    """What the design looks at: all graders, one judge, or how unlike the training a transcript is."""
    if plan.unlikeness is not None:
        table = read_table(plan.unlikeness)
        if missing := [c for c in ("transcript_id", "unlikeness") if c not in table]:
            raise InputError(f"a table of unlikeness needs {missing[0]!r}", file=plan.unlikeness)
        return _with_unlikeness(candidates, table.set_index(table["transcript_id"].astype(str))["unlikeness"])
    if plan.design == "most-unlike-training" and verdicts is not None:
        known = unlikeness(verdicts)
        if known.empty:
            raise InputError("no verdict of a trained classifier, whose scores come with unlikeness")
        # What was graded and has no number has no text: there is nothing to label.
        return _with_unlikeness(candidates, known.reindex(verdicts["transcript_id"].unique(), fill_value=0.0))
    if plan.design.startswith("disagree-") or "grader" not in candidates:
        return candidates
    pool = candidates[["transcript_id"]].drop_duplicates()
    own = candidates[candidates["grader"] == first_judge(candidates)]
    return pool.merge(own[["transcript_id", "flagged"]], how="left")


def _with_unlikeness(candidates: pd.DataFrame, known: pd.Series[float]) -> pd.DataFrame:
    pool = candidates[["transcript_id"]].drop_duplicates()
    return pool.assign(unlikeness=pool["transcript_id"].map(known.groupby(level=0).max()))


def _drawn_by(candidates: pd.DataFrame) -> dict[str, str | None]:
    """Who said what when the sample was drawn: labels of it speak of this version of the judge."""
    judge = first_judge(candidates) if "grader" in candidates else None
    if judge is None:
        return {"grader": None, "grader_version": None}
    versions = candidates.loc[candidates["grader"] == judge, "grader_version"].dropna().unique()
    return {"grader": judge, "grader_version": " ".join(sorted(map(str, versions)))}


def _refuse_other(path: Path, frame: pd.DataFrame) -> None:
    """A design frame is what every later rate rests on: never overwrite one by another."""
    columns = ["transcript_id", "harm", "round", "drawn"]
    if path.exists():
        before = read_rounds(path)
        same = len(before) == len(frame) and before[columns].astype(str).equals(frame[columns].astype(str))
        if not same:
            raise InputError("holds another sample, which its labels need; choose another folder", file=path)
