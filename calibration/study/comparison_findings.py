"""Every pair of groups of a study, and whether they can be told apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibration.checks import FloatArray
from calibration.compare import compare_groups, compare_paired
from calibration.findings.study import ComparisonFinding, RateFinding
from calibration.rates.multiplicity import holm
from calibration.rates.tiers import MAX_GROUPS
from calibration.study.facts import known_column
from calibration.study.harm_table import HarmTable, group_tables
from calibration.study.rate_findings import SAMPLE_ONLY
from calibration.study.settings import StudySettings


def independent_comparisons(rates: Sequence[RateFinding]) -> Iterator[ComparisonFinding]:
    """Differences of calibrated rates, group by group of one harm; p-values adjusted within the harm."""
    for harm in dict.fromkeys(f.harm for f in rates):
        findings = [f for f in rates if f.harm == harm]
        if not 1 < len(findings) <= MAX_GROUPS:
            continue
        by_name = {str(i): f for i, f in enumerate(findings)}
        for (a, b), difference in compare_groups({name: f.estimate for name, f in by_name.items()}).items():
            yield ComparisonFinding(harm=harm, first=by_name[a].group, second=by_name[b].group, difference=difference)


def not_compared(tables: Iterable[HarmTable], by: Sequence[str]) -> Iterator[str]:
    """A sentence for each harm with more groups than comparisons can take."""
    for table in tables:
        n = len(group_tables(table, by))
        if n > MAX_GROUPS:
            yield (
                f"{table.harm}: its {n} groups are not compared with one another (at most {MAX_GROUPS} are): "
                "take some of them with --where, or coarser ones with --set"
            )


def paired_comparisons(tables: Iterable[HarmTable], settings: StudySettings) -> Iterator[ComparisonFinding]:
    """Differences of the labelled share of harm over the scenarios that both groups ran; Holm within the harm.

    Only human labels enter, so that a scenario in which everything is harmful weighs the same on both sides.
    """
    for table in tables:
        groups = group_tables(table, settings.by)
        if not 1 < len(groups) <= MAX_GROUPS:
            continue
        found = []
        for (first, a), (second, b) in combinations(groups, 2):
            runs = _by_scenario(a, b, settings.cluster)
            difference = compare_paired(
                runs.first,
                runs.second,
                scenario=runs.scenario,
                inclusion_probability=runs.inclusion_probability,
                confidence_level=settings.confidence_level,
            )
            if runs.inclusion_probability is None:
                difference = replace(difference, notes=(*difference.notes, SAMPLE_ONLY))
            found.append(ComparisonFinding(harm=table.harm, first=first, second=second, difference=difference))
        adjusted = holm([f.difference.p_value for f in found])
        for finding, p in zip(found, adjusted, strict=True):
            told = f"p before adjusting for {len(found)} comparisons: {finding.difference.p_value:.3g}"
            difference = replace(finding.difference, p_value=float(p), notes=(*finding.difference.notes, told))
            yield replace(finding, difference=difference)


class _Runs(NamedTuple):
    """Labelled runs of two groups side by side; nan where a side has fewer runs of the scenario."""

    first: FloatArray
    second: FloatArray
    scenario: list[str]
    inclusion_probability: tuple[FloatArray, FloatArray] | None


def _by_scenario(a: HarmTable, b: HarmTable, key: str) -> _Runs:
    """Labels of both groups, run by run of each scenario, with the probability with which each run was drawn."""
    columns, designed = [], True
    for part in (a, b):
        labelled = part.y.notna().to_numpy()
        pi = part.probabilities()
        designed &= pi is not None or bool(labelled.all())
        rows = pd.DataFrame(
            {
                "y": part.y.to_numpy(),
                "pi": np.ones(len(labelled)) if pi is None else pi,
                "scenario": known_column(part.facts, key).astype(str).to_numpy(),
            }
        )[labelled]
        rows["run"] = rows.groupby("scenario").cumcount()
        columns.append(rows.set_index(["scenario", "run"]))
    joined = pd.concat(columns, axis=1, keys=["a", "b"]).sort_index()
    y, z, pi_y, pi_z = (
        np.asarray(joined[column], dtype=np.float64) for column in (("a", "y"), ("b", "y"), ("a", "pi"), ("b", "pi"))
    )
    scenario = [str(name) for name in joined.index.get_level_values("scenario")]
    return _Runs(y, z, scenario, (pi_y, pi_z) if designed else None)
