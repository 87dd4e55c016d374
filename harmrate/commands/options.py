"""Options that several commands of harmrate share, a record each; turned into what the library takes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_type_hints

import typer

if TYPE_CHECKING:
    from grader.graders import GraderSetup
    from grader.judge.setup import JudgeSetup
    from grader.rubrics import Rubric
    from labels.meaning import LabelMeaning

# Groups of --help, in the order in which a user needs them.
READ, JUDGE, CLASSIFIER, NUMBERS, OUTPUT = "What to read", "Judge", "Classifier", "Numbers", "Output"
RedactReport = Annotated[
    bool,
    typer.Option(
        "--redact-report",
        help="Leave texts and quotes out of report.html, so that it can be shared.",
        rich_help_panel=OUTPUT,
    ),
]
RestChoice = Literal["error", "no", "unsure"]
Pairing = Literal["independent", "scenario"]
ProviderChoice = Literal["anthropic", "bedrock", "vertex", "openai", "inspect"]
ThinkingChoice = Literal["adaptive", "disabled"]
ViewChoice = Literal["full", "no-reasoning", "actions"]
EffortChoice = Literal["low", "medium", "high", "xhigh", "max"]
STORE = Path(".harmrate/store.sqlite")

Transcripts = Annotated[
    list[str], typer.Argument(help="Files, folders, globs, s3:// and the like; - is JSONL on stdin.")
]
VerdictFile = Annotated[
    str | None,
    typer.Option(
        "--verdicts",
        help="Table of verdicts, a folder of shards, or a log that has some (Inspect, ...).",
        rich_help_panel=READ,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of tables.", rich_help_panel=OUTPUT)]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder to write into.", rich_help_panel=OUTPUT)]


@dataclass(kw_only=True)
class MeaningOptions:
    """What people's labels mean."""

    PANEL: ClassVar[str] = READ

    map: Annotated[list[str], typer.Option(help="CONTROL:HARM=VALUE|VALUE: these values mean harm (repeatable).")] = (
        field(default_factory=list)
    )
    unsure: Annotated[list[str], typer.Option(help="CONTROL=VALUE|VALUE: these are no answer (repeatable).")] = field(
        default_factory=list
    )
    rest: Annotated[RestChoice, typer.Option(help="What a value means that neither --map nor --unsure names.")] = (
        "error"
    )
    id_field: Annotated[str | None, typer.Option(help="Field of the export that holds the transcript's id.")] = None
    columns: Annotated[
        list[str],
        typer.Option(help="transcript_id=sample_id,rater=annotator,label=verdict: your names of our columns."),
    ] = field(default_factory=list)
    raters: Annotated[list[str], typer.Option(help="ID=NAME,ID=NAME: what to call raters.")] = field(
        default_factory=list
    )
    allow_unused: Annotated[
        bool, typer.Option("--allow-unused", help="--map and --unsure may name what does not occur yet.")
    ] = False
    label_config: Annotated[Path | None, typer.Option(help="The project's labelling configuration (XML).")] = None

    def meaning(self, *, harms: Sequence[str] | None = None, asked: Sequence[str] = ()) -> LabelMeaning:
        """As the library takes it; a table without a harm column is on the one harm that was asked for."""
        from labels.meaning import LabelMeaning, parse_map, parse_pairs, parse_values

        return LabelMeaning(
            control_map=parse_map(self.map),
            unsure=parse_values(self.unsure),
            rest=self.rest,
            id_field=self.id_field,
            columns=parse_pairs(self.columns, option="--columns") or None,
            raters=parse_pairs(self.raters, option="--raters"),
            allow_unused=self.allow_unused,
            harms=harms,
            harm=asked[0] if len(asked) == 1 else None,
            config=self.label_config,
        )


@dataclass(kw_only=True)
class JudgeOptions:
    """Which judge, how, and for how much."""

    PANEL: ClassVar[str] = JUDGE

    judge: Annotated[
        list[str],
        typer.Option(help="Model id, openai:MODEL or local:PATH.gguf (default: claude-sonnet-5-5); several: a panel."),
    ] = field(default_factory=list)
    keyword_gate: Annotated[
        bool, typer.Option("--keyword-gate", help="The public keyword gates as one more grader, to compare with.")
    ] = False
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Ask the second judge only where the first is not sure.")
    ] = False
    provider: Annotated[ProviderChoice, typer.Option(help="Whose client asks.")] = "anthropic"
    region: Annotated[str | None, typer.Option(help="Region of the cloud (bedrock, vertex).")] = None
    base_url: Annotated[str | None, typer.Option(help="Another server with the provider's protocol.")] = None
    replies: Annotated[Path | None, typer.Option(help="Recorded replies to answer from, instead of a server.")] = None
    classifier: Annotated[
        Path | None, typer.Option(help="Folder of a trained classifier.", rich_help_panel=CLASSIFIER)
    ] = None
    repeats: Annotated[int, typer.Option(min=1, help="How often each question is asked.")] = 1
    per_harm: Annotated[bool, typer.Option("--per-harm", help="One request for each harm.")] = False
    batch: Annotated[bool, typer.Option("--batch", help="Message Batches API: half the price, within a day.")] = False
    effort: Annotated[EffortChoice | None, typer.Option(help="The model's effort.")] = None
    thinking: Annotated[ThinkingChoice | None, typer.Option(help="Whether the model thinks before it answers.")] = None
    view: Annotated[ViewChoice, typer.Option(help="Which of the agent's channels the judge sees.")] = "full"
    redact: Annotated[
        bool, typer.Option("--redact", help="Replace addresses, numbers and keys before text leaves the machine.")
    ] = False
    redact_name: Annotated[list[str], typer.Option(help="Replace this name, too (repeatable).")] = field(
        default_factory=list
    )
    concurrency: Annotated[int, typer.Option(min=1, help="Most requests in flight.")] = 16
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for one request, answer included.")] = 600.0
    max_tokens: Annotated[int, typer.Option(min=1, help="Of one answer.")] = 8192
    window_tokens: Annotated[int, typer.Option(min=200, help="Longer transcripts are graded in windows.")] = 150_000
    max_cost: Annotated[float | None, typer.Option(help="US dollars at which to stop.")] = None
    max_failed: Annotated[
        float, typer.Option(min=0, max=1, help="Larger shares of failed verdicts are exit code 1.")
    ] = 0.5
    prices: Annotated[Path | None, typer.Option(help="Price list (TOML) over the shipped one.")] = None

    def setup(self) -> JudgeSetup:
        """As the library takes them."""
        from grader.judge.setup import DEFAULT_JUDGE, JudgeSetup
        from grader.redaction import Redaction

        return JudgeSetup(
            model=self.judge[0] if self.judge else DEFAULT_JUDGE,
            others=tuple(self.judge[1:]),
            together="cascade" if self.cascade else "panel",
            provider=self.provider,
            region=self.region,
            thinking=self.thinking,
            view=self.view,
            redact=Redaction(names=self.redact_name) if self.redact or self.redact_name else None,
            base_url=self.base_url,
            replies=self.replies,
            transport="batch" if self.batch else "direct",
            max_cost=self.max_cost,
            prices=self.prices,
            max_failed=self.max_failed,
            repeats=self.repeats,
            concurrency=self.concurrency,
            timeout=self.timeout,
            effort=self.effort,
            max_tokens=self.max_tokens,
            calls="per-harm" if self.per_harm else "together",
            window_tokens=self.window_tokens,
        )

    def given(self) -> dict[str, str]:
        """The settings of a judge that differ from their defaults, and the option that sets each."""
        others = ("keyword_gate", "classifier")
        defaults = JudgeOptions()
        names = [f.name for f in fields(self) if f.name not in others]
        return {name: f"--{name.replace('_', '-')}" for name in names if getattr(self, name) != getattr(defaults, name)}

    def graders(
        self, rubrics: Mapping[str, Rubric], *, unnamed: Literal["default judge", "no judge"] = "default judge"
    ) -> GraderSetup:
        """The graders that these options name; see `grader.graders.choose_graders` for when a judge is asked."""
        from grader.graders import choose_graders

        return choose_graders(
            rubrics,
            judge=self.setup(),
            given=self.given(),
            gate="keyword" if self.keyword_gate else "none",
            classifier=self.classifier,
            unnamed=unnamed,
        )


@dataclass(kw_only=True)
class GateOptions:
    """When a result counts as failed."""

    PANEL: ClassVar[str] = OUTPUT

    fail_above: Annotated[float | None, typer.Option(help="Exit 1 when a rate is shown to be above this.")] = None
    require_below: Annotated[float | None, typer.Option(help="Exit 1 unless all are shown to be below this.")] = None


Command = Callable[..., None]


def shared(*groups: type[Any]) -> Callable[[Command], Command]:
    """Give a command the options of `groups`; it takes one record of each, in that order, before its own."""

    def decorate(command: Command) -> Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[len(groups) :]
        options = [_parameters(group) for group in groups]

        @wraps(command)
        def run(**given: Any) -> None:
            records = [
                group(**{p.name: given.pop(p.name) for p in parameters})
                for group, parameters in zip(groups, options, strict=True)
            ]
            command(*records, **given)

        # Panels of --help appear in the order of their first option.
        every = sorted([*own, *(p for parameters in options for p in parameters)], key=_place)
        vars(run)["__signature__"] = inspect.Signature(every)
        run.__annotations__ = {p.name: p.annotation for p in every}
        return run

    return decorate


def _parameters(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            f.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=[] if f.default is MISSING else f.default,
            annotation=_in_panel(hints[f.name], _panel(group, f.name)),
        )
        for f in fields(group)
    ]


def _place(parameter: inspect.Parameter) -> int:
    """Where an option's panel is in --help; arguments and options without a panel come first."""
    panel = getattr((*get_args(parameter.annotation), None, None)[1], "rich_help_panel", None)
    order = (READ, JUDGE, CLASSIFIER, NUMBERS, OUTPUT)
    return 1 + order.index(panel) if panel in order else 0


def _panel(group: type[Any], name: str) -> str | None:
    """The group of --help that an option belongs to: that of the record which defines it."""
    home = next(base for base in group.__mro__ if name in vars(base).get("__annotations__", {}))
    return getattr(home, "PANEL", None)


def _in_panel(annotation: Any, panel: str | None) -> Any:
    kind, option = get_args(annotation)
    if panel is None or option.rich_help_panel:
        return annotation
    option = copy.copy(option)
    option.rich_help_panel = panel
    return Annotated[kind, option]
