"""What a sample for labelling is asked for, and what its two makers have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from calibration.findings.ledger import Ledger
from grader.errors import InputError
from grader.rubrics import Rubric, load_rubrics
from labels.campaign import assign_raters, pilot_rates
from labels.labelset import LabelSet
from labels.sampling.designs import read_rounds


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
    harms : tuple of str, optional
        What raters are asked about; default those that were graded, without verdicts all rubrics.
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
    harms: tuple[str, ...] | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What was drawn.

    Parameters
    ----------
    n_tasks : int
    design : path
        The design frame, which every rate needs.
    notes : tuple of str
        Of which harms raters are asked about.
    ledger : Ledger
    """

    n_tasks: int
    design: Path
    notes: tuple[str, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)


def asked_rubrics(plan: SamplePlan, graded: Iterable[str] | None) -> tuple[dict[str, Rubric], tuple[str, ...]]:
    """What raters are asked about, and what to say of it: the harms that were named, else those that were graded.

    Parameters
    ----------
    plan : SamplePlan
    graded : iterable of str, optional
        The harms that verdicts are on. None without verdicts: raters are asked about those of the rounds before, or
        about all rubrics.

    Raises
    ------
    InputError
        No rubric of that name; nothing that was graded has a rubric.
    """
    if graded is None:
        earlier = None if plan.earlier is None else list(read_rounds(plan.earlier)["harm"].unique())
        return load_rubrics(plan.rubrics, plan.harms or earlier), ()
    graded = sorted(set(graded))
    if plan.harms is not None:
        more = [harm for harm in plan.harms if harm not in graded]
        notes = (f"raters are asked about {', '.join(more)}, too, on which there is no verdict",) if more else ()
        return load_rubrics(plan.rubrics, plan.harms), notes
    every = {**load_rubrics(plan.rubrics), **_on_request(plan.rubrics, graded)}
    wanted = {harm: every[harm] for harm in graded if harm in every and every[harm].kind == "harm"}
    if not wanted:
        raise InputError(f"there is no rubric for {', '.join(graded)}, which raters would read (--rubrics DIR)")
    left_out = [harm for harm in graded if harm not in every]
    notes = (f"raters are not asked about {', '.join(left_out)}, which has no rubric",) if left_out else ()
    return wanted, notes


def _on_request(folder: Path | None, names: Sequence[str]) -> dict[str, Rubric]:
    """Those of `names` that have a rubric."""
    known: dict[str, Rubric] = {}
    for name in names:
        with suppress(InputError):
            known |= load_rubrics(folder, [name])
    return known


def first_judge(candidates: pd.DataFrame) -> str | None:
    """The judge, or the first grader where there is none."""
    known = candidates.dropna(subset=["grader"])
    judges = known[known["grader_kind"] == "judge"]
    first = judges if len(judges) else known
    return None if first.empty else str(first["grader"].iloc[0])


def expected_rates(
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


def assigned(ids: Sequence[str], plan: SamplePlan, rng: np.random.Generator) -> dict[str, tuple[str, ...]] | None:
    """Who labels which of these transcripts; None: whoever comes."""
    return assign_raters(ids, plan.raters, plan.overlap, rng) if plan.raters else None
