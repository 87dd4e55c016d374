"""A sample for labelling of a pool in shards: verdicts are read twice, held never."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from calibration.study.campaign.sample_plan import SamplePlan, asked_rubrics, assigned, expected_rates, first_judge
from calibration.study.inputs import Sources
from grader.errors import InputError
from grader.files.atomic import write_text
from grader.progress import Track, untracked
from grader.verdict.scores import grader_scores
from grader.verdict.sides import shard_names, verdict_shards
from labels.label_studio import label_config, write_tasks
from labels.label_studio.definitions import instructions
from labels.label_studio.folder import CONFIG, INSTRUCTIONS, SHARD_DESIGN, TASKS
from labels.sampling.designs import read_design, read_rounds, write_design_parts
from labels.sampling.reservoir import ShardSample, sample_shards


def sample_from_shards(
    sources: Sources, verdicts: Path | str, plan: SamplePlan, folder: Path, *, track: Track = untracked
) -> int:
    """Draw among the transcripts that the shards in `verdicts` speak of; how many tasks were written.

    As `calibration.study.campaign.sampling.sample_for_labelling`, but: the candidates are the transcripts with a
    verdict; all
    verdicts on a transcript lie in one shard; the judge whose flags make strata is that of the first shard; the design
    frame is Parquet. Only the drawn transcripts, and earlier rounds, are held in memory.

    Raises
    ------
    InputError
        As `sample_for_labelling`; a design that is no random sample.
    """
    names = shard_names(verdicts)
    wanted, _ = asked_rubrics(plan, next(iter(verdict_shards(names)))["harm"])
    harms = list(wanted)
    rng = np.random.default_rng(plan.seed)
    shards = Shards(names, plan, harms)
    earlier = None if plan.earlier is None else read_design(plan.earlier)
    try:
        pilot = expected_rates(plan.design, earlier, sources.read_labels(), harms)
        sample = sample_shards(
            track(shards.candidates(), "drawing from shards"),
            plan.n,
            design=plan.design,
            round=plan.round,
            rng=rng,
            pilot=pilot,
            earlier=earlier,
        )
        ids = sorted(sample.drawn)
        who = assigned(ids, plan, rng)
    except ValueError as error:
        raise InputError(str(error)) from None
    _refuse_other(folder / SHARD_DESIGN, sample)
    tasks = pd.DataFrame({"transcript_id": ids, "round": plan.round, "drawn": True})
    n_tasks = write_tasks(track(sources.read_transcripts(), "reading transcripts"), tasks, folder / TASKS, assigned=who)
    write_text(folder / CONFIG, label_config(wanted))
    write_text(folder / INSTRUCTIONS, instructions(wanted.values()))
    write_design_parts(design_frames(shards, sample, plan, harms), folder / SHARD_DESIGN)
    return n_tasks


class Shards:
    """The candidates of every shard, read anew at each pass."""

    def __init__(self, files: Sequence[str], plan: SamplePlan, harms: Sequence[str]) -> None:
        self.files, self.plan, self.harms = files, plan, harms
        self.judge: str | None = None
        self.versions: set[str] = set()

    def candidates(self) -> Iterator[pd.DataFrame]:
        """What the design looks at: all graders, or one judge."""
        for shard in verdict_shards(self.files):
            scores = grader_scores(shard)
            scores = scores[scores["harm"].isin(self.harms)].assign(
                transcript_id=lambda s: s["transcript_id"].astype(object),
                flagged=lambda s: s["side"].map({1.0: True, 0.0: False}).astype(object),
            )
            self.judge = self.judge or first_judge(scores)
            own = scores[scores["grader"] == self.judge]
            self.versions |= set(own["grader_version"].dropna())
            if self.plan.design.startswith("disagree-"):
                yield scores[["transcript_id", "harm", "grader", "flagged"]]
            else:
                pool = pd.DataFrame({"transcript_id": shard["transcript_id"].astype(object).unique()})
                yield pool.merge(own[["transcript_id", "flagged"]], how="left")


def design_frames(
    shards: Shards, sample: ShardSample, plan: SamplePlan, harms: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """The design frame, part by part, after that of earlier rounds."""
    told = {"grader": shards.judge, "grader_version": " ".join(sorted(shards.versions))}
    for number, candidates in enumerate(shards.candidates()):
        part = sample.rows(candidates, harms).assign(**told)
        if number == 0 and plan.earlier is not None:
            yield read_rounds(plan.earlier).reindex(columns=part.columns)
        yield part


def _refuse_other(path: Path, sample: ShardSample) -> None:
    """A design frame is what every later rate rests on: never overwrite one by another."""
    if not path.exists():
        return
    before = pd.read_parquet(path, columns=["transcript_id", "round"], filters=[("drawn", "==", True)])
    if set(before.loc[before["round"] == sample.round, "transcript_id"]) != sample.drawn:
        raise InputError("holds another sample, which its labels need; choose another folder", file=path)
