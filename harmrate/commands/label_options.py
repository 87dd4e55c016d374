"""Options of ``harmrate labels``, a record each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harmrate.commands.data_options import LabelFile

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from calibration.study.campaign.sample_plan import SamplePlan
    from labels.label_studio.connect import Studio
    from labels.meaning import LabelMeaning

KEY = "LABEL_STUDIO_API_KEY"


@dataclass(kw_only=True)
class ServerOptions:
    """Where Label Studio is; the token comes from the environment alone."""

    url: Annotated[
        str, typer.Option(envvar="LABEL_STUDIO_URL", help=f"Address of Label Studio; its token is taken from {KEY}.")
    ] = "http://localhost:8080"
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one answer.")] = 120.0

    def connect(self) -> AbstractContextManager[Studio]:
        """As the library takes it, for a block."""
        import os

        from labels.label_studio.connect import connect

        return connect(self.url, os.environ.get(KEY, ""), timeout=self.timeout)


@dataclass(kw_only=True)
class GoalOptions:
    """When to stop."""

    width: Annotated[float | None, typer.Option(help="When the interval is this narrow: 0.03 is 3 points.")] = None
    below: Annotated[float | None, typer.Option(help="When the rate is shown to be below this.")] = None
    above: Annotated[float | None, typer.Option(help="When the rate is shown to be above this.")] = None


@dataclass(kw_only=True)
class DrawOptions(LabelFile):
    """Which transcripts, and for whom."""

    design: Annotated[
        str,
        typer.Option(help="uniform, flagged-10, flagged-25, disagree-25, stratified, neyman, most-unlike-training."),
    ] = "uniform"
    harm: Annotated[list[str], typer.Option(help="Ask raters only about this harm (repeatable).")] = field(
        default_factory=list
    )
    raters: Annotated[list[str], typer.Option(help="Who labels, comma-separated: ana,bo,cy.")] = field(
        default_factory=list
    )
    overlap: Annotated[int, typer.Option(min=1, help="How many raters read each transcript.")] = 1
    round: Annotated[int, typer.Option(min=1, help="Number of the round.")] = 1
    earlier: Annotated[Path | None, typer.Option(help="Design frame of the rounds before.")] = None
    labels: Annotated[Path | None, typer.Option(help="Labels of the rounds before: the pilot of `neyman`.")] = None
    unlikeness: Annotated[
        Path | None, typer.Option(help="Table of transcript_id, unlikeness, for `most-unlike-training`.")
    ] = None
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0

    def meaning(self, *, harms: Sequence[str] | None = None, asked: Sequence[str] = ()) -> LabelMeaning:
        """What the labels of earlier rounds mean; here --raters names who labels next."""
        return super(DrawOptions, replace(self, raters=[])).meaning(harms=harms, asked=asked)

    def refuse_without_labels(self) -> None:
        """Refuse what says how earlier labels are read where there are none."""
        super(DrawOptions, replace(self, raters=[])).refuse_without_labels()

    def plan(self, n: int, rubrics: Path | None) -> SamplePlan:
        """As the library takes them."""
        from calibration.study.campaign.sample_plan import SamplePlan

        return SamplePlan(
            n=n,
            design=self.design,
            round=self.round,
            raters=tuple(name.strip() for names in self.raters for name in names.split(",") if name.strip()),
            overlap=self.overlap,
            earlier=self.earlier,
            unlikeness=self.unlikeness,
            rubrics=rubrics,
            harms=tuple(self.harm) or None,
            seed=self.seed,
        )


@dataclass(kw_only=True)
class FileOptions:
    """Which labels and designs a look at a campaign reads, where they are not those of its folder."""

    labels: Annotated[Path | None, typer.Option(help="Another file of labels than the folder's.")] = None
    design: Annotated[list[Path], typer.Option(help="Another design frame than the folder's (repeatable: rounds).")] = (
        field(default_factory=list)
    )
