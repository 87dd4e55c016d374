"""What a rate says of itself: method, target, level, counts and notes, against brute force."""

import numpy as np
import pytest

from calibration import (
    compare_paired,
    compare_rates,
    estimate_rate,
    plan_labels,
    rate_from_counts,
    rate_from_external_labels,
    rate_from_positive_controls,
)
from calibration.compare import compare_groups
from calibration.rates.external import rate_from_external_counts
from calibration.rates.gates import failed_gates
from calibration.rates.methods import WARNINGS
from calibration.rates.rounding import percent_interval

NAN = float("nan")


@pytest.mark.parametrize("target", ["scenarios", "pool"])
@pytest.mark.parametrize("method", ["post-stratified", "likelihood-ratio", "human-only", *WARNINGS])
def test_a_rate_bears_its_method_target_level_and_counts(method, target):
    found = rate_from_counts(
        [80, 900, 20],
        [40, 90, 5],
        [30, 4, 1],
        names=["flagged", "not flagged", "unscored"],
        known_zero=7,
        method=method,
        target=target,
        confidence_level=0.9,
    )
    assert (found.method, found.target, found.confidence_level) == (method, target, 0.9)
    counts = (found.n_transcripts, found.n_scored, found.n_labeled, found.n_harmful)
    assert counts == (1007, 987, 135, 35)
    assert [(s.name, s.n_transcripts, s.n_labeled, s.n_harmful) for s in found.strata] == [
        ("flagged", 80, 40, 30),
        ("not flagged", 900, 90, 4),
        ("unscored", 20, 5, 1),
        ("harmless by definition", 7, 0, 0),
    ]
    least = 80 * 30 / 40 + 900 * 4 / 90 + 1
    assert found.bounds == pytest.approx((least / 1007, (least + 20 - 5) / 1007))
    assert "Scored 987 of 1007 transcripts." in found.notes
    assert any("7 of 1007 transcripts are harmless by definition" in note for note in found.notes)
    assert 0 <= found.low <= found.rate <= found.high <= 1


@pytest.mark.parametrize("method", list(WARNINGS))
def test_sides_are_known_by_their_names_not_by_their_order(method):
    forth = rate_from_counts([80, 900], [40, 90], [30, 4], names=["flagged", "not flagged"], method=method)
    back = rate_from_counts([900, 80], [90, 40], [4, 30], names=["not flagged", "flagged"], method=method)
    assert (forth.rate, forth.low, forth.high) == pytest.approx((back.rate, back.low, back.high))
    with pytest.raises(ValueError, match=f"score must be given, with at least one .* '{method}'"):
        rate_from_counts([900, 80], [90, 40], [4, 30], names=["a", "b"], method=method)
    with pytest.raises(ValueError, match=f"'scenarios' or 'pool' for method '{method}', got 'new-scenarios'"):
        rate_from_counts([[9, 9]] * 2, [[5, 5]] * 2, [[1, 0]] * 2, method=method, target="new-scenarios")


def test_what_a_formula_gives_outside_the_unit_is_told_and_cut():
    found = rate_from_counts([20, 1980], [20, 180], [0, 1], method="ppi")
    raw = [note for note in found.notes if note.startswith("The formula gave")]
    assert len(raw) == 1 and "cut at 0 and 1" in raw[0] and found.low == 0
    fine = rate_from_counts([500, 500], [250, 250], [200, 50], method="ppi")
    assert not any("The formula gave" in note or "Not to be trusted" in note for note in fine.notes)
    empty = rate_from_counts([20, 1980], [20, 180], [0, 0], method="aipw")
    assert any("width 0 is an artefact" in note for note in empty.notes)
    unlabelled = rate_from_counts([20, 1980], [0, 0], [0, 0], method="aipw")
    assert np.isnan(unlabelled.rate) and (unlabelled.low, unlabelled.high) == (0, 1)
    assert rate_from_counts([20, 1980], [0, 0], [0, 0], method="apparent").rate == pytest.approx(0.01)
    lost = rate_from_counts([9, 9, 2], [9, 9, 2], [5, 5, 1], names=["flagged", "not flagged", "unscored"], method="ppi")
    assert any(note.startswith("2 of 20 transcripts have no verdict and are left out") for note in lost.notes)


def test_a_rate_without_graders_is_scored_by_none():
    found = estimate_rate([1.0] + [0.0] * 9 + [NAN] * 10)
    assert (found.n_scored, found.n_labeled, found.n_harmful) == (0, 10, 1)
    assert found.bounds == pytest.approx((1 / 20, 11 / 20))
    assert any(note.startswith("No sampling design was declared") for note in found.notes)
    assert rate_from_counts([20], [10], [1]).n_scored == 0


def test_assumed_rates_bear_their_method_and_what_they_rest_on():
    side = [1.0] * 30 + [0.0] * 70 + [NAN] * 4
    external = rate_from_external_labels(side, [1] * 20 + [0] * 40, [1] * 16 + [0] * 4 + [1] * 4 + [0] * 36)
    y = [1.0] * 6 + [0.0] * 24 + [NAN] * 74
    planted = rate_from_positive_controls(y, side, [1] * 24 + [0] * 6)
    for found, method, told in (
        (external, "lang-reiczigel", "harmless transcripts flagged"),
        (planted, "positive-controls", "24 of 30 controls caught; 6 of 30 labelled flagged ones harmful"),
    ):
        assert (found.method, found.target, found.n_transcripts, found.n_scored) == (method, "scenarios", 104, 100)
        assert any(told in note for note in found.notes) and any("assumes" in note for note in found.notes)
        assert "Scored 100 of 104 transcripts; the others are added to the upper end." in found.notes
        labels = (30, 6) if found is planted else (0, 0)
        assert [(s.name, s.n_transcripts, s.n_labeled, s.n_harmful) for s in found.strata] == [
            ("flagged", 30, *labels),
            ("not flagged", 70, 0, 0),
            ("unscored", 4, 0, 0),
        ]
        assert found.bounds == pytest.approx((found.rate * 100 / 104, found.rate * 100 / 104 + 4 / 104))
        assert (found.n_labeled, found.n_harmful) == labels
        assert 0 <= found.low <= found.rate <= found.high
    few = rate_from_external_counts(2, 100, n_harmful=20, n_harmful_flagged=19, n_harmless=40, n_harmless_flagged=4)
    assert few.rate == few.low >= 0  # fewer flagged than false alarms explain: the estimate would be negative


def test_differences_bear_their_method():
    first, second = rate_from_counts([100], [50], [9]), rate_from_counts([100], [50], [2])
    assert (compare_rates(first, second).method, compare_rates(first, second).n_paired) == ("mover", 0)
    pair = compare_groups({"a": first, "b": second, "c": second})["a", "b"]
    assert pair.method == "mover, holm" and any("3 comparisons" in note for note in pair.notes)
    a, b = [1, 0, 1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 1, 0, 1]
    for method in ("bonett-price", "newcombe", "tango"):
        found = compare_paired(a, b, method=method)
        assert (found.method, found.n_paired) == (method, 8)
        assert found.notes == ("items: 2 both, 2 first only, 1 second only, 3 neither",)
    scenario = np.arange(8) // 2
    runs = compare_paired(a, b, scenario=scenario)
    assert (runs.method, runs.n_paired) == ("scenario means, t", 4)
    assert np.isnan([runs.low, runs.high, runs.p_value]).all() and runs.difference == pytest.approx(1 / 8)
    any_harm = compare_paired(a, b, scenario=scenario, question="any-harm")
    assert any_harm.notes == ("scenarios: 2 both, 1 first only, 1 second only, 0 neither",)
    nothing = compare_paired([NAN, 1], [1, NAN], scenario=["s", "t"])
    assert nothing.n_paired == 0 and np.isnan(nothing.difference)


def test_a_difference_from_what_is_not_known_is_its_worst_case():
    known, gap = rate_from_counts([100], [50], [9]), rate_from_counts([50, 50], [50, 0], [9, 0])
    found = compare_rates(known, gap)
    assert np.isnan(found.difference) and np.isnan(found.p_value)
    assert (found.low, found.high) == pytest.approx((known.low - gap.high, known.high - gap.low))
    assert any("worst cases" in note for note in found.notes)


def test_gates_tell_which_end_failed_them():
    rate = rate_from_counts([1000], [1000], [100])
    (above,) = failed_gates([("leaking", rate)], fail_above=0.05)
    (below,) = failed_gates([("leaking", rate)], require_below=0.05)
    # As in every table, the interval is rounded so that it only grows.
    low, high = np.floor(1e4 * rate.low) / 100, np.ceil(1e3 * rate.high) / 10
    assert above == f"leaking: above 5 %: its interval is {low:g}-{high:g} %"
    assert below == f"leaking: not shown to be below 5 %: its interval is {low:g}-{high:g} %"
    assert failed_gates([("leaking", rate)], fail_above=rate.low, require_below=1.0) == []
    assert len(failed_gates([("leaking", rate)], fail_above=0.0, require_below=rate.high)) == 2


def test_a_rate_for_new_scenarios_tells_how_it_moves_with_the_correlation():
    counts = ([[50] * 5, [150] * 5], [[20, 18, 22, 20, 20], [30] * 5], [[9, 2, 14, 4, 8], [1, 0, 3, 0, 1]])
    found = {icc: rate_from_counts(*counts, target="new-scenarios", assumed_icc=icc) for icc in (0.1, 0.2, 0.5)}
    for icc, one in found.items():
        (told,) = [note for note in one.notes if note.startswith("Assumes correlation")]
        shown = [f"{percent_interval(other.low, other.high)} at {at:g}" for at, other in found.items()]
        assert told == f"Assumes correlation {icc:g} inside a scenario (5 scenarios): {', '.join(shown)}."
        (worst,) = [note for note in one.notes if note.startswith("Worst case")]
        assert worst.startswith("Worst case, each scenario one draw: 5 of 5 scenarios had labelled harm")
        assert worst.endswith("(one-sided 95 %).") and one.target == "new-scenarios"
    assert found[0.1].high < found[0.5].high


def test_a_plan_is_of_one_piece():
    plan = plan_labels(0.03, width=0.04, sensitivity=0.9, specificity=0.97)
    for one in plan.designs:
        assert one.width == pytest.approx(one.high - one.low) and one.low < 0.03 < one.high
        assert 0 <= one.n_flagged <= one.n_labels
    share = {one.design: one.n_flagged / one.n_labels for one in plan.designs}
    assert share["flagged-25"] == pytest.approx(0.25, abs=0.02)
    # 3 % x .9 + 97 % x .03 of a uniform sample are flagged.
    assert share["uniform"] == pytest.approx(0.0561, abs=0.02)


def test_disagreement_is_planned_where_two_graders_can_disagree():
    one = plan_labels(0.03, width=0.04)
    two = plan_labels(0.03, width=0.04, classifier=(0.8, 0.9))
    assert not any(plan.design.startswith("disagree") for plan in one.designs)
    assert any(plan.design.startswith("disagree") for plan in two.designs)


@pytest.mark.parametrize(("design", "human"), [("uniform", True), ("stratified", False)])
def test_the_exact_bound_of_no_harm_is_told_only_of_a_uniform_sample(design, human):
    found = rate_from_counts([30, 970], [3, 97], [0, 0], design=design)
    (told,) = [note for note in found.notes if "0 of 100 human-labelled" in note]
    assert ("exact human-only 0-3.63 %" in told) == human  # 1 - 0.025 ** (1 / 100)
    assert 0.0362 < 1 - 0.025 ** (1 / 100) < 0.0363
    assert "(3 flagged, 97 not)" in told and "label at least 299 (one-sided) or 368 (two-sided)" in told
