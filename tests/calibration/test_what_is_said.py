"""What an answer says of itself: statistic, method, target, level, counts and notes, against brute force."""

import numpy as np
import pytest

from calibration import (
    cohen_kappa,
    compare_paired,
    compare_rates,
    estimate_rate,
    gwet_ac1,
    krippendorff_alpha,
    positive_agreement,
    rate_from_counts,
    rate_from_external_labels,
    rate_from_positive_controls,
    reliability,
)
from calibration.agreement import percent_agreement
from calibration.compare import compare_groups
from calibration.external import rate_from_external_counts
from calibration.gates import failed_gates
from calibration.methods import WARNINGS
from calibration.multirater import brennan_prediger, conger_kappa, fleiss_kappa, gwet_ac2
from calibration.panel import effective_graders, error_correlation

NAN = float("nan")
RATERS = {
    "alpha": krippendorff_alpha,
    "ac1": gwet_ac1,
    "ac2": gwet_ac2,
    "fleiss_kappa": fleiss_kappa,
    "conger_kappa": conger_kappa,
    "brennan_prediger": brennan_prediger,
    "percent_agreement": percent_agreement,
}
PAIRS = {"kappa": cohen_kappa, "positive_agreement": positive_agreement}


@pytest.fixture(scope="module")
def votes():
    """Four raters, the last of whom never voted; a fifth of the other votes missing, some items with one vote."""
    rng = np.random.default_rng(1)
    truth = rng.random(90) < 0.35
    data = np.where(rng.random((4, 90)) < 0.85, truth, ~truth).astype(float)
    data[rng.random(data.shape) < 0.2] = NAN
    data[:2, 0], data[2, 0] = NAN, 1
    data[3] = NAN
    return data


def two(votes):
    return votes[:2, ~np.isnan(votes[:2]).any(axis=0)]


def every(votes):
    """(name, answer to these options) of each coefficient."""
    yield from ((name, lambda of=of, **options: of(votes, **options)) for name, of in RATERS.items())
    yield from ((name, lambda of=of, **options: of(*votes[:2], **options)) for name, of in PAIRS.items())


def test_an_agreement_bears_its_name_and_counts_what_entered(votes):
    seen = ~np.isnan(votes)
    for name, call in every(votes):
        found = call(n_resamples=20)
        own = votes[:2] if name in PAIRS else votes
        paired = (~np.isnan(own)).sum(axis=0) >= 2
        assert found.statistic == name
        assert found.n_items == paired.sum()
        assert found.n_raters == (2 if name in PAIRS else 3)
        assert found.n_positive in ((own[:, paired] == 1).any(axis=0).sum(), (own == 1).any(axis=0).sum())
        assert found.confidence_level == 0.95
    assert seen[:, 0].sum() == 1


def test_every_agreement_tells_its_interval_and_that_no_design_is_known(votes):
    votes = votes[:3]
    cluster = np.arange(votes.shape[1]) % 15
    for name, call in every(votes):
        assert any("linearised" in note for note in call(interval="linearised").notes), name
        assert any("valid only for this sample" in note for note in call(interval="linearised").notes), name
        assert "interval: bootstrap over clusters" in call(cluster=cluster, n_resamples=50).notes, name
        assert call(cluster=cluster, n_resamples=50).low != call(cluster=cluster, n_resamples=400).low, name
        drawn = [call(cluster=cluster, n_resamples=50, rng=np.random.default_rng(seed)).low for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1] != drawn[2], name


def test_linearised_intervals_use_t_of_the_units_less_one(votes):
    votes = votes[:3]
    from scipy.stats import t

    cluster = np.arange(votes.shape[1]) % 6
    for name, call in every(votes):
        wide, narrow = (call(interval="linearised", cluster=cluster, confidence_level=level) for level in (0.9, 0.5))
        expected = t.ppf(0.95, 5) / t.ppf(0.75, 5)
        assert (wide.high - wide.value) / (narrow.high - narrow.value) == pytest.approx(expected), name


def test_one_probability_for_all_is_that_of_each(votes):
    a, b = two(votes)
    one, each = (cohen_kappa(a, b, inclusion_probability=pi) for pi in (0.5, np.full(a.size, 0.5)))
    assert one == each
    assert not any("valid only" in note for note in one.notes)


def test_texts_are_categories_like_numbers(votes):
    a, b = two(votes)
    texts = [np.where(side == 1, "yes", "no") for side in (a, b)]
    assert cohen_kappa(*texts).value == pytest.approx(cohen_kappa(a, b).value)
    assert cohen_kappa(["yes", None, "no"], ["yes", "no", "no"]).n_items == 2


def test_graders_that_never_err_together_are_worth_as_many():
    y = [0] * 90
    sides = np.zeros((3, 90))
    for grader in range(3):
        sides[grader, grader * 10 : grader * 10 + 10] = 1
    found = effective_graders(y, sides)
    assert (found.statistic, found.value) == ("effective_graders", 3)
    assert error_correlation(y, *sides[:2]).statistic == "error_correlation"
    assert error_correlation(y, *sides[:2]).n_positive == 20


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


@pytest.mark.parametrize(("design", "human"), [("uniform", True), ("stratified", False)])
def test_the_exact_bound_of_no_harm_is_told_only_of_a_uniform_sample(design, human):
    found = rate_from_counts([30, 970], [3, 97], [0, 0], design=design)
    (told,) = [note for note in found.notes if "0 of 100 human-labelled" in note]
    assert ("exact human-only 0-3.63 %" in told) == human  # 1 - 0.025 ** (1 / 100)
    assert 0.0362 < 1 - 0.025 ** (1 / 100) < 0.0363
    assert "(3 flagged, 97 not)" in told and "label at least 299 (one-sided) or 368 (two-sided)" in told


def test_a_declared_design_leaves_no_doubt_about_the_sample():
    y, score = [1.0, 0.0] * 20, [0.9, 0.2, 0.7, 0.1] * 10
    told = [
        "valid only" in " ".join(reliability(y, score, **given).notes) for given in ({}, {"inclusion_probability": 0.5})
    ]
    assert told == [True, False]
    assert reliability(y, score, n_bins=1).n_items == 40


def test_reliability_counts_its_labels():
    y = [1.0, 0.0, 1.0, 0.5, NAN, 0.0] * 10
    score = [0.9, 0.2, NAN, 0.6, 0.5, 0.1] * 10
    found = reliability(y, score)
    assert (found.n_items, found.n_positive) == (40, 20)
