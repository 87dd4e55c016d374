"""Many groups: pairs, ranks, ratios, borrowed intervals and the judge's errors, by golden values and by definition."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from calibration.rates.contrasts import Contrast, contrast_test, counts_of, group_counts
from calibration.rates.error_test import equal_error_test
from calibration.rates.estimate import rate_from_counts
from calibration.rates.hierarchical import JudgeTable, borrowed_intervals, tipping_point
from calibration.rates.inversion import (
    difference_in_differences,
    difference_interval,
    mover_ratio,
    own_interval,
    ratio_interval,
)
from calibration.rates.tiers import compare_with, rank_groups, shaffer, shaffer_divisors

# (transcripts, flagged, labelled flagged, harmful among them, labelled others, harmful among them)
ROWS = {
    "a": (100, 30, 5, 4, 15, 0),
    "b": (100, 12, 5, 3, 15, 1),
    "c": (100, 45, 5, 5, 15, 2),
    "d": (100, 8, 5, 1, 15, 0),
    "e": (100, 8, 5, 2, 15, 0),
    "f": (400, 100, 12, 9, 38, 1),
    "g": (400, 40, 12, 6, 38, 0),
    "h": (400, 20, 12, 3, 38, 0),
    "i": (400, 40, 12, 3, 38, 0),
    "first arm": (1000, 220, 25, 18, 75, 2),
    "last arm": (1000, 80, 25, 8, 75, 0),
    "no harm": (400, 20, 12, 0, 38, 0),
    "sharp": (100, 60, 5, 5, 15, 5),
    "rare": (100, 3, 3, 0, 17, 0),
    "odd": (100, 30, 5, 4, 15, 8),
}


def group(name):
    total, flagged, n1, x1, n0, x0 = ROWS[name]
    return group_counts([flagged, total - flagged], [n1, n0], [x1, x0])


def table(row):
    total, flagged, n1, x1, n0, x0 = row
    return JudgeTable(n_transcripts=total, n_flagged=flagged, labeled=(n1, n0), harmful=(x1, x0))


def judge_tables(names):
    return {f"{name}{i}": table(ROWS[name]) for i, name in enumerate(names)}


def difference(first, second):
    return Contrast(groups=(group(first), group(second)), coefficients=(1.0, -1.0))


@pytest.mark.parametrize(
    ("first", "second", "statistic", "raw", "mix", "p"),
    [
        ("a", "b", 1.272491, 0.343791, 0.112285, 0.369375),
        ("a", "c", 7.807585, 0.0111822, 0.166622, 0.0188336),
        ("d", "e", 0.383907, 0.761448, 0.131861, 0.775376),
        ("f", "h", 13.916193, 0.000345167, 0.028022, 0.00041604),
        ("sharp", "rare", 23.978187, 2.29668e-6, 0.001949, 2.34921e-6),
    ],
)
def test_a_pair_has_the_golden_p_value(first, second, statistic, raw, mix, p):
    test = contrast_test(difference(first, second))
    assert test.statistic == pytest.approx(statistic, abs=1e-6)
    assert test.raw == pytest.approx(raw, rel=1e-5)
    assert test.mix_share == pytest.approx(mix, abs=1e-6)
    assert test.p_value == pytest.approx(p, rel=1e-5)
    swapped = contrast_test(difference(second, first))
    assert swapped.p_value == pytest.approx(p, rel=1e-4)


def plain_p_value(first, second):
    """Two groups of one stratum each: every table, the common rate by one-dimensional search, the finite-run factor."""
    (_, n1, y1), (_, n2, y2) = first, second

    def loss(p, a, b):
        return -(binom.logpmf(a, n1, p) + binom.logpmf(b, n2, p))

    def statistic(a, b):
        best = binom.logpmf(a, n1, a / n1) + binom.logpmf(b, n2, b / n2)
        common = (a + b) / (n1 + n2)
        return 2 * (best - max(-loss(p, a, b) for p in (common, *np.clip([common - 1e-9, common + 1e-9], 0, 1))))

    common = minimize_scalar(lambda p: loss(p, y1, y2), bounds=(0, 1), method="bounded", options={"xatol": 1e-12}).x
    cut = statistic(y1, y2) - 0.15
    chance = sum(
        binom.pmf(a, n1, common) * binom.pmf(b, n2, common)
        for a, b in itertools.product(range(n1 + 1), range(n2 + 1))
        if statistic(a, b) >= cut
    )
    # With one stratum its share of the runs is 1: nothing to correct.
    return chance


@pytest.mark.parametrize(
    "tables", [((50, 12, 3), (80, 20, 11)), ((30, 9, 0), (30, 15, 4)), ((60, 25, 20), (60, 18, 9))]
)
def test_a_pair_of_single_strata_is_the_sum_over_all_tables(tables):
    groups = tuple(group_counts([t], [n], [y]) for t, n, y in tables)
    test = contrast_test(Contrast(groups=groups, coefficients=(1.0, -1.0)))
    assert test.raw == pytest.approx(plain_p_value(*tables), abs=2e-5)
    assert test.p_value == pytest.approx(test.raw)


def test_the_finite_number_of_runs_weakens_a_p_value():
    test = contrast_test(difference("a", "c"))
    assert test.p_value == pytest.approx(2 * ndtr(ndtri(test.raw / 2) / math.sqrt(1 + test.mix_share)))
    assert test.p_value > test.raw


@pytest.mark.parametrize(
    ("first", "second", "estimate", "mover", "likelihood"),
    [
        ("f", "i", 8.289474, (2.092715, 37.217931), (2.298420, 25.179416)),
        ("first arm", "last arm", 7.0, (2.859595, 15.074873), (2.995340, 13.265849)),
        ("c", "b", 4.005102, (1.351188, 11.931629), (1.525974, 10.553485)),
        ("g", "no harm", math.inf, (0.528640, math.inf), (0.778758, math.inf)),
    ],
)
def test_ratios_have_their_golden_limits(first, second, estimate, mover, likelihood):
    found = ratio_interval(group(first), group(second))
    assert found.estimate == pytest.approx(estimate, abs=1e-6)
    assert (found.low, found.high) == pytest.approx(likelihood, rel=1e-5)
    assert mover_ratio(own_interval(group(first)), own_interval(group(second))) == pytest.approx(mover, rel=1e-5)


def test_a_ratio_with_a_merged_stratum_has_its_golden_limits():
    found = ratio_interval(group_counts([100], [20], [5]), group("a"))
    assert (found.low, found.high) == pytest.approx((0.347092, 3.325466), rel=1e-5)


def test_a_ratio_without_harm_on_either_side_is_undefined_and_on_one_side_open():
    nothing = group("no harm")
    both = ratio_interval(nothing, nothing)
    assert math.isnan(both.estimate)
    assert math.isnan(both.low)
    assert ratio_interval(nothing, group("f")).low == 0
    assert ratio_interval(nothing, group("f")).estimate == 0


def test_a_difference_in_differences_has_its_golden_limits():
    found = difference_in_differences((group("f"), group("g")), (group("g"), group("h")))
    assert found.estimate == pytest.approx(0.119737, abs=1e-6)
    # 799 drawn tables stand for the 20,000 of the golden value.
    assert (found.low, found.high) == pytest.approx((0.023, 0.223), abs=0.006)
    wide = difference_in_differences((group("a"), group("b")), (group("c"), group("d")))
    assert (wide.low, wide.high) == pytest.approx((-0.670, -0.143), abs=0.02)


@pytest.mark.parametrize("pair", list(itertools.combinations("abcdefghi", 2)))
def test_an_interval_excludes_no_difference_exactly_when_its_p_value_says_so(pair):
    for found, none in ((difference_interval(*map(group, pair)), 0), (ratio_interval(*map(group, pair)), 1)):
        assert (found.p_value <= 0.05) == (not found.low <= none <= found.high)
        assert found.low <= found.estimate <= found.high


def brute_divisors(n_groups):
    """Numbers of equal pairs over all partitions of the groups, by listing the partitions' sizes."""

    def partitions(n, largest):
        yield from ([n] for _ in range(n <= largest))
        for first in range(min(n - 1, largest), 0, -1):
            yield from ([first, *rest] for rest in partitions(n - first, first))

    equal = {sum(i * (i - 1) // 2 for i in sizes) for sizes in partitions(n_groups, n_groups)}
    m = n_groups * (n_groups - 1) // 2
    return tuple(max(s for s in equal if s <= m - j) for j in range(m))


@pytest.mark.parametrize("n_groups", [2, 3, 4, 5, 7, 10])
def test_shaffer_divisors_count_the_pairs_that_can_still_be_equal(n_groups):
    assert shaffer_divisors(n_groups) == brute_divisors(n_groups)


def test_shaffer_for_three_and_sixteen_groups():
    assert shaffer_divisors(3) == (3, 1, 1)
    assert shaffer_divisors(16)[:17] == (120, *[105] * 15, 92)
    assert shaffer([0.04, 0.001, 0.03], 3).tolist() == pytest.approx([0.04, 0.003, 0.03])


def test_places_leave_out_what_is_shown_to_be_lower_or_higher():
    ranking = rank_groups({name: group(name) for name in "abcfgh"})
    apart = {(p.first, p.second) for p in ranking.pairs if p.adjusted <= 0.05}
    for place in ranking.places:
        assert place.first == 1 + sum(first == place.name for first, _ in apart)
        assert place.last == 6 - sum(second == place.name for _, second in apart)
    for a, b in itertools.combinations(ranking.places, 2):
        shared = set(a.letters) & set(b.letters)
        assert bool(shared) == ((b.name, a.name) not in apart)


def test_sixty_four_groups_are_ranked_and_sixty_five_refused():
    many = {f"m{i}": group_counts([10, 90], [3, 9], [2, i % 3]) for i in range(64)}
    assert len(rank_groups(many).pairs) == 64 * 63 / 2
    with pytest.raises(ValueError, match="2 to 64 groups, got 65"):
        rank_groups({**many, "one more": group("a")})


def test_one_group_against_the_others_is_a_family_of_its_own():
    groups = {name: group(name) for name in "fgh"}
    pairs = compare_with(groups, "f")
    raw = sorted(pair.p_value for pair in pairs)
    assert sorted(pair.adjusted for pair in pairs) == pytest.approx([2 * raw[0], max(2 * raw[0], raw[1])])
    with pytest.raises(ValueError, match="name must be one of"):
        compare_with(groups, "x")


def test_counts_of_an_estimate_need_whole_labels_everywhere():
    whole = rate_from_counts([30, 70], [5, 15], [4, 0], method="likelihood-ratio")
    assert counts_of(whole).rate == pytest.approx(whole.rate)
    assert counts_of(rate_from_counts([30, 70], [5, 0], [4, 0])) is None
    assert counts_of(rate_from_counts([30, 70], [5, 15], [3.5, 0])) is None
    assert counts_of(rate_from_counts([30, 70], [5, 15], [4, 0], target="pool")) is None


@pytest.mark.parametrize(
    ("names", "which", "hierarchical", "borrowed"),
    [
        ("abc", 0, (0.130837, 0.413263), (0.130837, 0.413263)),
        ("abc", 1, (0.033710, 0.245494), (0.033710, 0.253938)),
        ("abc", 2, (0.349296, 0.655773), (0.349296, 0.655773)),
        ("de", 0, (0.000966, 0.113415), (0.000966, 0.113415)),
        ("de", 1, (0.005716, 0.150590), (0.005716, 0.150590)),
        ("fgh", 0, (0.150474, 0.304417), (0.149367, 0.304417)),
        ("fgh", 1, (0.025057, 0.103388), (0.025057, 0.103388)),
        ("fgh", 2, (0.002943, 0.039292), (0.002943, 0.045731)),
    ],
)
def test_borrowed_intervals_have_their_golden_limits(names, which, hierarchical, borrowed):
    found = borrowed_intervals(judge_tables(names))[f"{names[which]}{which}"]
    assert found.hierarchical == pytest.approx(hierarchical, abs=2e-6)
    assert found.borrowed == pytest.approx(borrowed, abs=2e-6)


def test_a_group_that_fools_the_judge_keeps_its_own_labels_word():
    tables = {**judge_tables("a" * 7), "odd": table(ROWS["odd"])}
    found = borrowed_intervals(tables)
    assert found["a0"].borrowed == pytest.approx((0.126457, 0.361161), abs=2e-6)
    assert found["odd"].borrowed == pytest.approx((0.396259, 0.807914), abs=2e-6)
    assert found["odd"].own == pytest.approx((0.372241, 0.807107), abs=2e-6)


def test_tipping_points_have_their_golden_values():
    many = tipping_point(judge_tables("a" * 6 + "b" * 5 + "c" * 5), "b6", below=0.2)
    assert (many.at, many.elsewhere) == pytest.approx((0.781891, 0.855070), abs=1e-5)
    assert tipping_point(judge_tables("abc"), "b1", below=0.3).at == pytest.approx(0.438199, abs=1e-5)
    assert tipping_point(judge_tables("fgh"), "h2", below=0.05).at == pytest.approx(0.569236, abs=1e-5)
    assert math.isnan(tipping_point(judge_tables("fgh"), "h2", below=0.9).at)
    assert tipping_point(judge_tables("abc"), "c2", above=0.3).error == "specificity"


@pytest.mark.parametrize(
    ("names", "statistics", "p_values"),
    [
        ("abc", (4.188, 3.180, 0.781), (0.43, 0.19, 0.84)),
        ("de", (0.185, 0.0, 0.185), None),
        ("fgh", (2.117, 0.482, 1.671), None),
        ("aaaaaaa!", (33.998, 33.448, 0.449), (0.003, 0.001, 1.0)),
    ],
)
def test_equal_errors_have_their_golden_statistics(names, statistics, p_values):
    rows = [ROWS["odd" if name == "!" else name] for name in names]
    tables = {str(i): table(row) for i, row in enumerate(rows)}
    for i, common in enumerate(("both", "sensitivity", "specificity")):
        test = equal_error_test(tables, common=common, n_resamples=799)
        assert test.statistic == pytest.approx(statistics[i], abs=2e-3)
        if p_values:
            assert test.p_value == pytest.approx(p_values[i], abs=0.05)


def test_groups_alike_to_the_last_transcript_do_not_differ():
    assert equal_error_test(judge_tables("dd"), n_resamples=99).p_value == 1
