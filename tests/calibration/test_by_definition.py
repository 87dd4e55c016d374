"""Formulas over counts against their definitions over rows: influence values, numerical derivatives, linearisation."""

import re

import numpy as np
import pytest
from scipy.stats import beta, norm, t, ttest_1samp

from calibration import compare_paired, compare_rates, estimate_rate, plan_labels, rate_from_counts
from calibration.notebook import grid
from calibration.rates.clusters import _korn_graubard, new_scenarios
from calibration.rates.comparators import aipw, apparent, human_only, human_only_weighted, ppi, rogan_gladen

# Transcripts, labels and harmful labels per side (flagged, not flagged).
TABLES = [([80, 920], [40, 160], [28, 3]), ([300, 700], [30, 70], [20, 9]), ([50, 450], [50, 50], [45, 1])]


def counts(table):
    return tuple(np.array(column, dtype=float) for column in table)


def labels_of_side(n, y):
    return np.repeat([1.0, 0.0], [int(y), int(n - y)])


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_aipw_is_the_mean_of_its_influence_values(table, level):
    """Every transcript counts with its side's labelled mean, a labelled one also with (y - mean) / probability."""
    values = []
    for size, n, y in zip(*table, strict=True):
        known = labels_of_side(n, y)
        model = known.mean()
        values += [np.full(size - n, model), model + (known - model) * size / n]
    psi = np.concatenate(values)
    margin = norm.ppf(0.5 + level / 2) * np.sqrt(psi.var() / psi.size)
    found = aipw(*counts(table), confidence_level=level)
    assert list(found) == pytest.approx([psi.mean(), psi.mean() - margin, psi.mean() + margin], abs=1e-12)


def test_aipw_takes_the_other_sides_mean_where_a_side_has_no_label():
    found = aipw(*counts(([100, 900], [0, 90], [0, 9])))
    # The model is 0.1 everywhere; only the 90 labels of the second side scatter.
    margin = norm.ppf(0.975) * np.sqrt(0.9**2 * 0.1 * 0.9 / 90)
    assert list(found) == pytest.approx([0.1, 0.1 - margin, 0.1 + margin], abs=1e-12)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("uniform", [True, False])
def test_rogan_gladen_is_the_delta_method(table, uniform):
    size, n, y = counts(table)
    weight = np.ones(2) if uniform else size / n
    harmful, harmless = weight * y, weight * (n - y)
    q, se, sp = size[0] / size.sum(), harmful[0] / harmful.sum(), harmless[1] / harmless.sum()

    def rate(q, se, sp):
        return (q + sp - 1) / (se + sp - 1)

    step = 1e-6
    point = np.array([q, se, sp])
    slopes = [(rate(*(point + step * e)) - rate(*(point - step * e))) / (2 * step) for e in np.eye(3)]
    spread = [q * (1 - q) / size.sum(), se * (1 - se) / y.sum(), sp * (1 - sp) / (n - y).sum()]
    margin = norm.ppf(0.95) * np.sqrt(np.dot(np.square(slopes), spread))
    found = rogan_gladen(size, n, y, uniform=uniform, confidence_level=0.9)
    assert list(found) == pytest.approx([rate(*point), rate(*point) - margin, rate(*point) + margin], rel=1e-6)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("power", [0.0, 0.4, 1.0])
def test_ppi_is_a_mean_of_rows(table, power):
    """lambda x the side's mean over the unlabelled rest, plus the labels' mean of y - lambda x side."""
    rest = np.repeat([1.0, 0.0], [table[0][0] - table[1][0], table[0][1] - table[1][1]])
    side = np.repeat([1.0, 0.0], table[1])
    y = np.concatenate([labels_of_side(n, y) for _, n, y in zip(*table, strict=True)])
    rectifier = y - power * side
    rate = power * rest.mean() + rectifier.mean()
    margin = norm.ppf(0.975) * np.sqrt(power**2 * rest.var() / rest.size + rectifier.var() / y.size)
    found = ppi(*counts(table), power=power)
    assert list(found) == pytest.approx([rate, rate - margin, rate + margin], abs=1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_weighted_labels_have_the_size_of_kish(table):
    size, n, y = counts(table)
    weights = np.repeat(size / n, n.astype(int))
    known = np.concatenate([labels_of_side(a, b) for a, b in zip(n, y, strict=True)])
    kish = weights.sum() ** 2 / (weights**2).sum()
    rate = (weights @ known) / weights.sum()
    x = rate * kish
    expected = [rate, beta.ppf(0.025, x, kish - x + 1), beta.ppf(0.975, x + 1, kish - x)]
    assert list(human_only_weighted(size, n, y)) == pytest.approx(expected, rel=1e-9)


def test_korn_graubard_is_the_linearised_variance_over_rows():
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(40):
        g = int(rng.integers(3, 9))
        size = rng.integers(2, 12, (2, g)).astype(float)
        n = np.minimum(rng.integers(1, 9, (2, g)), size)
        y = rng.binomial(n.astype(int), [[0.6], [0.15]] * rng.random(g)).astype(float)
        zeros = rng.integers(0, 3, g).astype(float)
        found = _korn_graubard(size, n, y, size.sum(0) + zeros, g, 0.9)
        share = y.sum(1) / n.sum(1)
        total = size.sum() + zeros.sum()
        rate = (size.sum(1) * share).sum() / total
        if found is None:
            assert rate in (0, 1)
            continue
        seen += 1
        scores = np.zeros(g)
        for scenario in range(g):
            scores[scenario] -= rate * zeros[scenario]
            for stratum in range(2):
                unlabelled = size[stratum, scenario] - n[stratum, scenario]
                expansion = size[stratum].sum() / n[stratum].sum()
                scores[scenario] += unlabelled * (share[stratum] - rate)
                for known in labels_of_side(n[stratum, scenario], y[stratum, scenario]):
                    scores[scenario] += share[stratum] - rate + expansion * (known - share[stratum])
        variance = g / (g - 1) * (scores**2).sum() / total**2
        n_all = n.sum()
        effective = min(n_all, rate * (1 - rate) / variance)
        effective *= (t.ppf(0.95, n_all - 1) / t.ppf(0.95, g - 1)) ** 2
        x = rate * max(effective, 1)
        rest = max(effective, 1) - x
        assert found == pytest.approx((beta.ppf(0.05, x, rest + 1), beta.ppf(0.95, x + 1, rest)), rel=1e-6)
    assert seen > 20


def test_what_nobody_labelled_may_be_all_harmful_but_no_more_than_all():
    found = new_scenarios([[50] * 4] * 2, [[9] * 4, [0] * 4], [[9, 8, 9, 7], [0] * 4])
    assert float(found.high) == 1


def test_a_plan_keeps_what_was_asked_and_a_wider_level_needs_more_labels():
    plans = {level: plan_labels(0.03, width=0.04, designs=["uniform"], confidence_level=level) for level in (0.8, 0.99)}
    for level, plan in plans.items():
        asked = (plan.rate, plan.n_transcripts, plan.sensitivity, plan.specificity, plan.confidence_level)
        assert asked == (0.03, 5000, 0.8, 0.95, level)
    assert plans[0.99].best.n_labels > plans[0.8].best.n_labels


@pytest.mark.parametrize(
    ("k", "names"),
    [(1, ["all"]), (2, ["flagged", "not flagged"]), (4, ["stratum 1", "stratum 2", "stratum 3", "stratum 4"])],
)
def test_strata_without_names_are_numbered_from_one(k, names):
    found = rate_from_counts([100] * k, [20] * k, [1] * k)
    assert [stratum.name for stratum in found.strata] == names


def test_labels_alone_know_nothing_of_new_scenarios():
    with pytest.raises(ValueError, match="human-only"):
        rate_from_counts([[50, 50]] * 2, [[9, 9]] * 2, [[1, 0]] * 2, method="human-only", target="new-scenarios")


def test_a_grid_holds_its_rows_and_nothing_between_them():
    html = grid("t", ["a", "b"], [["1", "<"], ["3", "4"]], ["n"])
    body = re.search("<tbody>(.*)</tbody>", html)[1]
    assert re.findall("<td>(.*?)</td>", body) == ["1", "&lt;", "3", "4"]
    assert re.sub("<tr>(<td>[^<]*</td>)*</tr>", "", body) == ""
    assert re.findall("<th>(.*?)</th>", html) == ["a", "b"] and html.endswith("<ul><li>n</li></ul>")


def test_a_difference_is_zero_against_itself_and_changes_its_sign_when_turned():
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.2).astype(float)
    score = np.where(rng.random(400) < 0.9, y, 1 - y)
    first = estimate_rate(np.where(rng.random(400) < 0.5, y, np.nan), score, inclusion_probability=np.full(400, 0.5))
    second = rate_from_counts([100, 900], [50, 50], [40, 2])
    there, back = compare_rates(first, second), compare_rates(second, first)
    assert compare_rates(first, first).difference == 0
    assert there.difference == pytest.approx(-back.difference) and there.difference == first.rate - second.rate
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


@pytest.mark.parametrize("formula", [apparent, human_only, human_only_weighted, rogan_gladen, ppi, aipw])
@pytest.mark.parametrize("options", [{}, {"confidence_level": 0.8}])
def test_a_formula_answers_many_data_sets_as_it_answers_each(formula, options):
    stacked = [np.array(column, dtype=float) for column in zip(*TABLES, strict=True)]
    together = formula(*stacked, **options)
    for i, table in enumerate(TABLES):
        assert [float(v[i]) for v in together] == pytest.approx([float(v) for v in formula(*counts(table), **options)])


@pytest.mark.parametrize("table", TABLES)
def test_ppi_tunes_its_power_on_rows(table):
    """lambda = cov(y, side) of the labelled / ((1 + n / N) var(side) of all), cut to [0, 1] (PPI++, section 6)."""
    rest = np.repeat([1.0, 0.0], [table[0][0] - table[1][0], table[0][1] - table[1][1]])
    side = np.repeat([1.0, 0.0], table[1])
    y = np.concatenate([labels_of_side(n, y) for _, n, y in zip(*table, strict=True)])
    covariance = np.cov(y, side, ddof=0)[0, 1]
    power = covariance / ((1 + y.size / rest.size) * np.concatenate([side, rest]).var(ddof=1))
    power = np.clip(power, 0, 1)
    assert list(ppi(*counts(table))) == pytest.approx(list(ppi(*counts(table), power=power)))


@pytest.mark.parametrize("method", ["ppi", "rogan-gladen"])
def test_labels_of_a_uniform_design_count_alike_and_others_by_what_they_stand_for(method):
    formula = {"ppi": ppi, "rogan-gladen": rogan_gladen}[method]
    for table in TABLES[:2]:
        for design in ("uniform", "stratified"):
            found = rate_from_counts(*table, method=method, design=design)
            expected = formula(*counts(table), uniform=design == "uniform")
            assert (found.rate, found.low, found.high) == pytest.approx(list(np.clip(expected, 0, 1)))


def test_labels_alone_of_a_uniform_design_are_one_binomial():
    for size, n, y in TABLES:
        found = rate_from_counts(size, n, y, method="human-only", design="uniform")
        x, m = sum(y), sum(n)
        assert found.rate == pytest.approx(x / m)
        # One stratum of the post-stratified method: the same as without a grader.
        alone = rate_from_counts([sum(size)], [m], [x])
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_runs_are_compared_by_a_t_test_over_scenarios(level):
    rng = np.random.default_rng(9)
    scenario = np.repeat([f"s{i}" for i in range(9)], 6)
    a, b = (rng.random(54) < np.repeat(rng.random(9) * share, 6) for share in (0.8, 0.5))
    a, b = a.astype(float), b.astype(float)
    b[:6] = np.nan  # one scenario was run under the first only
    means = np.array([a[scenario == s].mean() - b[scenario == s].mean() for s in np.unique(scenario)[1:]])
    test = ttest_1samp(means, 0)
    expected = test.confidence_interval(level)
    found = compare_paired(a, b, scenario=scenario, confidence_level=level)
    assert (found.difference, found.p_value, found.n_paired) == pytest.approx((means.mean(), test.pvalue, 8))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.notes == (f"{np.sum(abs(means) > 1e-12)} of 8 scenarios differ",)
    same = compare_paired([1.0, 0.0] * 6, [0.0, 0.0] * 6, scenario=np.repeat(np.arange(6), 2))
    assert np.isnan([same.low, same.high, same.p_value]).all()
    assert "no interval: every scenario differs by the same, which leaves nothing to judge the spread by" in same.notes
