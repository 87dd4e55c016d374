"""A sample for labelling of a pool in shards: verdicts are read once, one shard in memory at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calibration.study.campaign.sample_plan import Sampled, SamplePlan, asked_rubrics, assigned, expected_rates
from calibration.study.inputs import Sources
from grader.errors import InputError
from grader.files.atomic import write_text
from grader.progress import Track, untracked
from grader.verdict.coded import NO, YES, Coded, CodedVerdicts
from grader.verdict.shards import verdict_shards
from labels.label_studio import label_config, write_tasks
from labels.label_studio.definitions import instructions
from labels.label_studio.folder import CONFIG, INSTRUCTIONS, SHARD_DESIGN, TASKS
from labels.sampling.designs import read_design, read_rounds, write_design_parts
from labels.sampling.reservoir import Candidates, ShardSample, sample_shards
from labels.sampling.strata import DISAGREE


def sample_from_shards(
    sources: Sources, verdicts: Path | str, plan: SamplePlan, folder: Path, *, track: Track = untracked
) -> Sampled:
    """Draw among the transcripts that have verdicts in shards.

    As `calibration.study.campaign.sampling.sample_for_labelling`, but the candidates are the transcripts with a
    verdict, the judge whose flags make strata is that of the first shard, and the design frame is Parquet. Only the
    drawn transcripts, and earlier rounds, are held in memory.

    Raises
    ------
    InputError
        As `sample_for_labelling`; a design that is not a random sample.
    """
    first = next(iter(verdict_shards(verdicts, scale=sources.scale, take=sources.take)))
    wanted, notes = asked_rubrics(plan, first.pairs["harm"])
    harms = list(wanted)
    rng = np.random.default_rng(plan.seed)
    batches = track(verdict_shards(verdicts, scale=sources.scale, take=sources.take), "drawing from shards")
    earlier = None if plan.earlier is None else read_design(plan.earlier)
    with ShardStrata(plan, harms) as strata:
        try:
            pilot = expected_rates(plan.design, earlier, sources.read_labels(), harms)
            sample = sample_shards(
                strata.kept(batches),
                plan.n,
                design=plan.design,
                round=plan.round,
                rng=rng,
                pilot=pilot,
                earlier=earlier,
            )
            ids = sorted(sample.drawn)
            raters = assigned(ids, plan, rng)
        except ValueError as error:
            raise InputError(str(error)) from None
        _refuse_other(folder / SHARD_DESIGN, sample)
        tasks = pd.DataFrame({"transcript_id": ids, "round": plan.round, "drawn": True})
        transcripts = track(sources.read_transcripts(), "reading transcripts")
        n_tasks = write_tasks(transcripts, tasks, folder / TASKS, assigned=raters)
        write_text(folder / CONFIG, label_config(wanted))
        write_text(folder / INSTRUCTIONS, instructions(wanted.values()))
        before = None if plan.earlier is None else read_rounds(plan.earlier)
        write_design_parts(strata.design(sample, before), folder / SHARD_DESIGN)
    return Sampled(n_tasks=n_tasks, design=folder / SHARD_DESIGN, notes=notes)


class ShardStrata:
    """The stratum of every transcript, kept in a temporary file between the draw and the design frame."""

    def __init__(self, plan: SamplePlan, harms: Sequence[str]) -> None:
        self.plan, self.harms = plan, list(harms)
        self.judge: str | None = None
        self.graders: set[str] = set()
        self.versions: set[str] = set()

    def __enter__(self) -> ShardStrata:
        self._folder = tempfile.TemporaryDirectory(prefix="harmrate-")
        self._file = Path(self._folder.name, "strata.parquet")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def kept(self, batches: Iterable[CodedVerdicts]) -> Iterator[Candidates]:
        """The candidates of each batch, which are also written to the file.

        Raises
        ------
        ValueError
            A design by disagreement, and fewer than two graders.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema({"transcript_id": pa.string(), "stratum": pa.string()})
        with pq.ParquetWriter(self._file, schema) as writer:
            for batch in batches:
                candidates = self._candidates(batch)
                columns = [pa.array(candidates.ids, pa.string()), pa.array(candidates.stratum.decoded(), pa.string())]
                writer.write_table(pa.table(columns, schema=schema))
                yield candidates
        if DISAGREE.fullmatch(self.plan.design) and len(self.graders) < 2:
            raise ValueError("candidates must hold rows of at least two graders ('grader') for this design.")

    def design(self, sample: ShardSample, before: pd.DataFrame | None = None) -> Iterator[Any]:
        """The design frame, part by part, after that of earlier rounds."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        versions = " ".join(sorted(self.versions))
        with pq.ParquetFile(self._file, read_dictionary=["stratum"]) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                ids = table["transcript_id"].to_numpy().astype(object)
                candidates = Candidates(ids=ids, stratum=Coded.of_arrow(table["stratum"]))
                part = sample.rows(candidates, self.harms, grader=self.judge, grader_version=versions)
                if number == 0 and before is not None:
                    yield pa.Table.from_pandas(before.reindex(columns=part.column_names), preserve_index=False)
                yield part

    def _candidates(self, batch: CodedVerdicts) -> Candidates:
        pairs = batch.pairs[batch.pairs["harm"].isin(self.harms)]
        self.graders |= set(pairs["grader"])
        if self.judge is None and len(pairs):
            judges = pairs[pairs["grader_kind"] == "judge"]
            self.judge = str((judges if len(judges) else pairs)["grader"].iloc[0])
        self.versions |= set(pairs.loc[pairs["grader"] == self.judge, "grader_version"].dropna())
        return Candidates(ids=batch.ids, stratum=self._stratum(batch))

    def _stratum(self, batch: CodedVerdicts) -> Coded:
        """As `labels.sampling.strata.candidate_strata`, from codes."""
        n = len(batch.ids)
        if self.plan.design == "uniform":
            return Coded(codes=np.ones(n, dtype=np.int64), values=np.array([None, "all"], dtype=object))
        states = {harm: _states(batch, harm, n, self._flaggers()) for harm in self.harms}
        yes = {harm: (state == YES).any(axis=1) for harm, state in states.items()}
        flagged = np.any(list(yes.values()), axis=0)
        if DISAGREE.fullmatch(self.plan.design):
            split = np.any([yes[harm] & (state == NO).any(axis=1) for harm, state in states.items()], axis=0)
            names, codes = ["disagree", "agreed", "rest"], np.where(split, 1, np.where(flagged, 2, 3))
        else:
            every = np.concatenate(list(states.values()), axis=1)
            unscored = ((every != 0) & (every != YES) & (every != NO)).any(axis=1) | (every == 0).all(axis=1)
            names, codes = ["flagged", "unscored", "not flagged"], np.where(flagged, 1, np.where(unscored, 2, 3))
        return Coded(codes=codes, values=np.array([None, *names], dtype=object))

    def _flaggers(self) -> list[str]:
        """The graders whose sides make the strata."""
        every = DISAGREE.fullmatch(self.plan.design) is not None
        return sorted(self.graders) if every else [self.judge] if self.judge is not None else []


def _states(batch: CodedVerdicts, harm: str, n: int, graders: Sequence[str]) -> Any:
    """States of shape (transcripts, graders); 0 = no verdict."""
    columns = [batch.states[harm, grader] for grader in graders if (harm, grader) in batch.states]
    return np.stack(columns, axis=1) if columns else np.zeros((n, 1), dtype=np.int8)


def _refuse_other(path: Path, sample: ShardSample) -> None:
    """Never overwrite a design frame by another: every later rate needs the one that its labels were drawn by."""
    if not path.exists():
        return
    before = pd.read_parquet(path, columns=["transcript_id", "round"], filters=[("drawn", "==", True)])
    if set(before.loc[before["round"] == sample.round, "transcript_id"]) != sample.drawn:
        raise InputError("holds another sample, which its labels need; choose another folder", file=path)
