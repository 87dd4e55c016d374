"""Target pool: the likelihood-ratio test on hypergeometric tables, by its definition and by exact coverage."""

import itertools

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import hypergeom

from calibration.rates.estimate import rate_from_counts
from calibration.rates.pool_interval import pool_likelihood_ratio
from calibration.rates.pool_kernels import pool_p_value, pool_statistic


def log_likelihood(size, n, y, harmful):
    with np.errstate(divide="ignore"):
        return sum(hypergeom.logpmf(a, t, h, k) for t, k, a, h in zip(size, n, y, harmful, strict=True))


def allocations(total, size):
    return [h for h in itertools.product(*(range(int(t) + 1) for t in size)) if sum(h) == total]


def tables(n):
    return itertools.product(*(range(int(k) + 1) for k in n))


def ratio_by_definition(total, size, n, y):
    best = max(log_likelihood(size, n, y, h) for h in itertools.product(*(range(int(t) + 1) for t in size)))
    return 2 * (best - max(log_likelihood(size, n, y, h) for h in allocations(total, size)))


@pytest.mark.parametrize(
    ("size", "n", "y", "total"),
    [
        ((4, 9), (2, 5), (1, 1), 5),
        ((6, 6), (3, 5), (0, 4), 6),
        ((3, 4, 5), (2, 2, 3), (1, 0, 2), 4),
        ((12,), (5,), (2,), 3),
    ],
)
def test_the_statistic_and_p_value_follow_their_definition(size, n, y, total):
    log_factorial = gammaln(np.arange(max(size) + 1) + 1.0)
    arrays = [np.array(v, dtype=float) for v in (size, n)]
    harmful = np.empty(len(n))

    def statistic(table):
        return pool_statistic(float(total), *arrays, np.array(table, dtype=float), harmful, log_factorial)

    observed = statistic(y)
    assert observed == pytest.approx(ratio_by_definition(total, size, n, y), abs=1e-9)
    if len(n) == 1:
        return
    cut = observed - 0.15
    likely = {h: log_likelihood(size, n, y, h) for h in allocations(total, size)}
    best = max(likely, key=likely.get)
    near = [
        h for h, value in likely.items() if value >= likely[best] - 1 and np.count_nonzero(np.subtract(h, best)) < 3
    ]
    extreme = [table for table in tables(n) if statistic(table) >= cut]
    expected = max(sum(np.exp(log_likelihood(size, n, t, h)) for t in extreme) for h in near)
    found = pool_p_value(float(total), *arrays, np.array(y, dtype=float), log_factorial)
    assert found == pytest.approx(expected, abs=1e-5)


def exact_coverage(size, n, harmful, answers):
    """Probability of tables whose interval holds the true share."""
    total, covered = sum(harmful), 0.0
    for table in itertools.product(*(range(min(k, h) + 1) for k, h in zip(n, harmful, strict=True))):
        chance = np.exp(log_likelihood(size, n, table, harmful))
        if chance > 1e-9:
            if table not in answers:
                answers[table] = pool_likelihood_ratio(size, n, table)
            covered += chance * (answers[table].low - 1e-12 <= total / sum(size) <= answers[table].high + 1e-12)
    return covered


@pytest.mark.parametrize("pool", [80, 200])
@pytest.mark.parametrize("labelled", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("shares", [(1.0,), (0.1, 0.9), (0.5, 0.5), (0.1, 0.2, 0.7)])
def test_exact_coverage_with_few_harms(pool, labelled, shares):
    size = [round(pool * share) for share in shares]
    n, answers = [round(labelled * t) for t in size], {}
    most = 6 if len(size) < 3 else 4
    cells = [h for h in itertools.product(range(most + 1), repeat=len(size)) if sum(h) <= most]
    assert min(exact_coverage(size, n, harmful, answers) for harmful in cells) >= 0.945


def test_a_census_is_exact():
    limits = pool_likelihood_ratio([60, 540], [60, 540], [7, 2])
    assert limits.low == limits.estimate == limits.high == 9 / 600


def test_the_lower_end_claims_no_harm_that_half_a_pool_cannot_show():
    # T = (60, 540), half labelled, one harm in each stratum and no other: a rate of 2 / 600 must not be rejected.
    for table in ((1, 1), (1, 0), (0, 1)):
        estimate = rate_from_counts([60, 540], [30, 270], table, target="pool", method="likelihood-ratio")
        assert estimate.low <= 2 / 600 <= estimate.high


def test_strata_without_labels_and_known_harmless_ones_count_in_the_pool():
    alone = pool_likelihood_ratio([60, 540], [15, 135], [2, 1])
    wider = pool_likelihood_ratio([60, 540, 100], [15, 135, 0], [2, 1, 0], total=1000)
    assert wider.low == pytest.approx(alone.low * 0.6)
    assert wider.high == pytest.approx(alone.high * 0.6 + 0.1)
    assert pool_likelihood_ratio([10], [0], [0]) == (0, 0, 1)


def test_half_labels_use_the_confirmed_harm_as_the_wall():
    soft = rate_from_counts([60, 540], [15, 135], [2, 0.5], target="pool", method="likelihood-ratio")
    frozen = rate_from_counts([60, 540], [15, 135], [2, 0.5], target="pool")
    assert soft.low < frozen.low
    assert soft.high == frozen.high
    assert any("claims too much" in note for note in frozen.notes)
