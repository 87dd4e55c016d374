"""The benchmark commands: what they print, that they can be repeated, that promises can be broken."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import alpha, coverage, rates
from benchmarks.__main__ import machine
from benchmarks.cells import JUDGES, Cell, regimes
from benchmarks.outcomes import Outcome
from benchmarks.summary import bounds_lines
from benchmarks.tally import Row, make_row


def row(**changes):
    row = Row(
        cell=regimes()[0],
        method="post-stratified",
        data_sets=1_000,
        answered=1.0,
        above=0.02,
        below=0.02,
        zero_width=0.0,
        width=0.1,
        width_ratio=0.8,
        contradictions=0,
        seconds=0.0,
    )
    return replace(row, **changes)


def test_rows_count_outcomes():
    outcome = Outcome(
        answered=np.array([True] * 90 + [False] * 10),
        above=np.array([True] * 9 + [False] * 91),
        below=np.zeros(100, dtype=bool),
        width=np.array([0.0] * 45 + [0.2] * 45 + [np.nan] * 10),
    )
    counted = make_row(regimes()[0], "m", outcome, np.full(100, 0.4), 1.0)
    assert counted.answered == pytest.approx(0.9)
    assert counted.coverage == pytest.approx(0.9)
    assert counted.zero_width == pytest.approx(0.5)
    assert counted.width_ratio == pytest.approx(0.25)


def test_few_answers_are_no_share():
    outcome = Outcome(
        answered=np.arange(100) < 20,
        above=np.zeros(100, dtype=bool),
        below=np.zeros(100, dtype=bool),
        width=np.where(np.arange(100) < 20, 0.1, np.nan),
    )
    assert np.isnan(make_row(regimes()[0], "m", outcome, np.ones(100), 0.0).coverage)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"above": 0.0451, "below": 0.0}, "misses above"),
        ({"below": 0.041}, "coverage"),
        ({"zero_width": 0.001}, "zero width"),
        ({"width_ratio": 0.87}, "width"),
    ],
)
def test_a_broken_promise_is_named(change, what):
    lines = list(bounds_lines([row(), row(**change)]))
    assert len(lines) == 4
    assert [line for line in lines if "NOT HELD" in line] == [line for line in lines if f": {what} " in line]
    assert not any("NOT HELD" in line for line in bounds_lines([row()]))


def test_cells_can_be_run_in_any_order_and_in_processes():
    cells = [regimes()[0], regimes()[40]]
    plan = coverage.Plan(methods=("post-stratified", "ppi"), data_sets=30, again=60)
    there = [replace(r, seconds=0.0) for r in coverage.run_cells(cells, plan)]
    back = [replace(r, seconds=0.0) for r in coverage.run_cells(cells[::-1], plan, 2)]
    assert there == [*back[2:], *back[:2]]


def test_only_methods_that_promise_the_level_are_run_again():
    cell = Cell(block="regimes", rate=0.03, labels=50, pool=1_000, judge=JUDGES[1])
    reruns = set()
    for seed in range(8):
        plan = coverage.Plan(methods=("likelihood-ratio", "ppi"), data_sets=20, again=40, seed=seed)
        once = {r.method: r for r in coverage.run_cell(cell, replace(plan, again=0))}
        found = {r.method: r for r in coverage.run_cell(cell, plan)}
        assert once["ppi"].coverage < 0.95
        assert found["ppi"].data_sets == 20
        short = once["likelihood-ratio"].coverage < 0.95
        assert found["likelihood-ratio"].data_sets == (40 if short else 20)
        reruns.add(short)
    assert reruns == {True, False}


def test_the_coverage_command_prints_tables_and_writes_rows(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(coverage.BLOCKS, "regimes", lambda: regimes()[:2])
    out = tmp_path / "rows.json"
    coverage.main(["--data-sets", "30", "--again", "0", "--methods", "post-stratified", "aipw", "--json", str(out)])
    printed = capsys.readouterr()
    assert "### regimes, uniform" in printed.out
    assert "| aipw | 1 | 1.000 |" in printed.out
    assert "Worst cells of regimes" in printed.out
    records = json.loads(out.read_text())
    assert [r["method"] for r in records] == ["post-stratified", "aipw"] * 2
    assert records[0]["cell"] == regimes()[0].name


def test_a_peer_that_is_not_installed_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(coverage, "installed_peers", lambda: ([], ["judgy"]))
    with pytest.raises(SystemExit, match="not installed: judgy"):
        coverage.main(["--methods", "judgy"])


def test_rates_of_a_small_study():
    group, score, y, share = rates.simulated_pool(50_000, np.random.default_rng(0))
    answers = rates.all_rates(group, score, y, share, "post-stratified")
    member = group == 7
    known = ~np.isnan(y[1]) & member
    flagged = score[1] == 1
    expected = sum((member & side).sum() * y[1][known & side].mean() for side in (flagged, ~flagged)) / member.sum()
    assert answers[1, 7, 0] == pytest.approx(expected)


def test_alpha_is_timed_against_a_scaled_loop():
    (row,) = alpha.measured(items=300, resamples=50, timed=2).rows
    assert "scaled from 2 resamples" in row.against
    assert "300 items x 5 raters" in row.what
    assert row.ratio > 1


def test_results_name_the_machine():
    assert "Python" in machine()
    assert "numba" in machine()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["post-stratified", "likelihood-ratio"])
@pytest.mark.parametrize("share", [None, 0.25])
def test_coverage_holds_in_hard_regimes(method, share):
    """6,000 data sets: misses at most 6 % would be 3.5 standard deviations above the level."""
    cells = [
        Cell(block="regimes", rate=rate, labels=n, pool=10_000, judge=JUDGES[1], flagged_share=share)
        for rate, n in ((0.002, 500), (0.03, 200), (0.15, 50))
    ]
    for found in coverage.run_cells(cells, coverage.Plan(methods=(method,), data_sets=6_000, again=0)):
        assert found.coverage >= 0.94
        assert found.zero_width == 0
