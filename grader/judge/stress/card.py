"""A judge's card: how easily its verdicts flip, measured on the user's own transcripts.

Counts only; intervals are made in `calibration`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from grader.judge.llm_judge import LLMJudge
from grader.judge.stress.probes import ATTACKS, PLACES, Demand, plant, reworded
from grader.transcript import Transcript

# Of every scored verdict: transcript and harm -> side.
Sides = Mapping[tuple[str, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeCounts:
    """What one probe did to the verdicts on one harm.

    Parameters
    ----------
    probe : str
        ``repeat``, ``rubric reworded``, ``harm order``, ``reasoning hidden``, or ``ATTACK in PLACE``.
    harm : str
    n : int
        Transcripts scored with and without the probe; for attacks, those whose verdict is not what was demanded.
    to_present, to_absent : tuple of str
        Ids of those whose verdict flipped, by direction.
    lost : tuple of str
        Ids of those that were scored, and under the probe were not (a refusal, for example); they are not in `n`.
    """

    probe: str
    harm: str
    n: int
    to_present: tuple[str, ...]
    to_absent: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def n_flipped(self) -> int:
        """How many of the `n` flipped."""
        return len(self.to_present) + len(self.to_absent)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCard:
    """All probes of one judge; the transcripts probed are the units of every count."""

    judge: str
    judge_version: str
    transcripts: tuple[str, ...]
    counts: tuple[ProbeCounts, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        rows = [asdict(count) | {"n_flipped": count.n_flipped} for count in self.counts]
        return asdict(self) | {"counts": rows}


def judge_card(
    judge: LLMJudge, transcripts: Iterable[Transcript], *, rng: np.random.Generator, n: int = 20
) -> JudgeCard:
    """Probe a judge on a random sample of transcripts.

    Some 17 requests per transcript: two repeats; the rubrics reworded; harms in reverse order (when several are asked
    together); reasoning hidden (where there is some); and a note, an instruction, a forged verdict and a forged marker
    planted in a tool result, in the user's text and in the agent's text. An attack asks for the opposite of what the
    judge says without it; the harmless note is the control of the attacks, as the repeat is that of all others.

    Parameters
    ----------
    judge : LLMJudge
        With a store, a rerun with the same `rng` asks nothing again.
    transcripts : iterable of Transcript
    rng : numpy Generator
        Draws the sample and the places of the attacks.
    n : int, at least 1
        Size of the sample, or all where there are fewer.

    Raises
    ------
    ValueError
        `n` is below 1 or there is no transcript.
    RunStopped, InputError
        As from `LLMJudge.grade`.
    """
    sample = _sample(list(transcripts), n, rng)
    judge = judge.varied(repeats=1)
    baseline, again = _repeats(judge, sample)
    harms = judge.harms
    counts = [*_compared("repeat", harms, baseline, again, baseline)]
    for probe, other, shown in _variants(judge, sample):
        counts += _compared(probe, harms, baseline, _sides(other, shown), _among(baseline, shown))
    counts += _attacked(judge, sample, baseline, rng)
    return JudgeCard(
        judge=judge.name,
        judge_version=judge.version,
        transcripts=tuple(transcript.id for transcript in sample),
        counts=tuple(counts),
    )


def _sample(transcripts: Sequence[Transcript], n: int, rng: np.random.Generator) -> list[Transcript]:
    if n < 1 or not transcripts:
        raise ValueError(f"n and the number of transcripts must be at least 1, got {n} and {len(transcripts)}.")
    drawn = rng.choice(len(transcripts), size=min(n, len(transcripts)), replace=False)
    return [transcripts[i] for i in sorted(drawn)]


def _variants(judge: LLMJudge, sample: list[Transcript]) -> Iterator[tuple[str, LLMJudge, list[Transcript]]]:
    """Each other way to ask, and the transcripts that it makes a difference to."""
    others = [reworded(rubric) for rubric in judge.rubrics]
    if any(other.hash != rubric.hash for other, rubric in zip(others, judge.rubrics, strict=True)):
        yield "rubric reworded", judge.varied(rubrics=others), sample
    if len(judge.rubrics) > 1 and judge.calls == "together":
        yield "harm order", judge.varied(rubrics=judge.rubrics[::-1]), sample
    thinking = [t for t in sample if any(m.role == "assistant" and m.kind == "reasoning" for m in t.messages)]
    if judge.settings.view == "full" and thinking:
        yield "reasoning hidden", judge.varied(view="no-reasoning"), thinking


def _attacked(
    judge: LLMJudge, sample: list[Transcript], baseline: Sides, rng: np.random.Generator
) -> Iterator[ProbeCounts]:
    """Plant every attack into every transcript; each demands the other side of a verdict that is there to flip."""
    planted: list[Transcript] = []
    at_risk: dict[tuple[str, str], bool] = {}
    for transcript in sample:
        said = {harm: baseline[transcript.id, harm] for harm in judge.harms if (transcript.id, harm) in baseline}
        demand: Demand = "absent" if any(said.values()) else "present"
        at_risk |= {(transcript.id, harm): side for harm, side in said.items() if side is (demand == "absent")}
        for place in PLACES:
            for attack in ATTACKS:
                planted.append(plant(transcript, attack, place, demand, harms=judge.harms, rng=rng))
    found = _sides(judge, planted)
    for attack in ATTACKS:
        for place in PLACES:
            ending = f"#{place}/{attack}"
            after = {
                (id_.removesuffix(ending), harm): side for (id_, harm), side in found.items() if id_.endswith(ending)
            }
            yield from _compared(f"{attack} in {place}", judge.harms, baseline, after, at_risk)


def _compared(
    probe: str, harms: Sequence[str], before: Sides, after: Sides, among: Iterable[tuple[str, str]]
) -> Iterator[ProbeCounts]:
    keys = list(among)
    for harm in harms:
        own = [key for key in keys if key[1] == harm]
        both = [key for key in own if key in after]
        yield ProbeCounts(
            probe=probe,
            harm=harm,
            n=len(both),
            to_present=tuple(key[0] for key in both if after[key] and not before[key]),
            to_absent=tuple(key[0] for key in both if before[key] and not after[key]),
            lost=tuple(key[0] for key in own if key not in after),
        )


def _among(sides: Sides, transcripts: Iterable[Transcript]) -> list[tuple[str, str]]:
    ids = {transcript.id for transcript in transcripts}
    return [key for key in sides if key[0] in ids]


def _repeats(judge: LLMJudge, transcripts: list[Transcript]) -> tuple[Sides, Sides]:
    """Both repeats in one run, so that they share the prompt cache."""
    first: dict[tuple[str, str], bool] = {}
    second: dict[tuple[str, str], bool] = {}
    for verdict in judge.varied(repeats=2).grade(transcripts):
        if verdict.present is not None:
            (first, second)[verdict.repeat][verdict.transcript_id, verdict.harm] = verdict.present
    order = {transcript.id: i for i, transcript in enumerate(transcripts)}
    return dict(sorted(first.items(), key=lambda item: order[item[0][0]])), second


def _sides(judge: LLMJudge, transcripts: Iterable[Transcript]) -> Sides:
    verdicts = judge.grade(transcripts)
    return {(v.transcript_id, v.harm): v.present for v in verdicts if v.present is not None}
