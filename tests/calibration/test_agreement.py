"""Agreement: what is undefined, what the design changes, what the interval holds."""

import numpy as np
import pytest

from calibration.agreement.statistics import (
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
    positive_agreement,
)

NAN = float("nan")


def table(n11, n10, n01, n00):
    """Two raters with these counts."""
    return np.repeat([1, 1, 0, 0], [n11, n10, n01, n00]), np.repeat([1, 0, 1, 0], [n11, n10, n01, n00])


def five_raters(rng, n_items=300, rate=0.2, noise=0.1):
    truth = rng.random(n_items) < rate
    return (truth ^ (rng.random((5, n_items)) < noise)).astype(float)


@pytest.mark.parametrize("value", [0, 1])
def test_one_value_is_undefined(value):
    same = np.full((2, 50), value)
    for result in (krippendorff_alpha(same), gwet_ac1(same), cohen_kappa(*same)):
        assert np.isnan([result.value, result.low, result.high]).all()
    assert percent_agreement(same).value == 1
    assert percent_agreement(same).low < 0.99


def test_positive_agreement_without_positive_votes_is_undefined():
    assert np.isnan(positive_agreement([0, 0], [0, 0]).value)


def test_nothing_paired_is_undefined():
    for statistic in (krippendorff_alpha, gwet_ac1, percent_agreement):
        result = statistic([[1, NAN, 0], [NAN, 1, NAN]])
        assert np.isnan(result.value)
        assert result.n_items == 0


def test_perfect_agreement_has_room_below():
    a, b = table(5, 0, 0, 95)
    result = cohen_kappa(a, b)
    assert result.value == result.high == 1
    assert 0.3 < result.low < 0.95


def test_perfect_agreement_of_many_raters_gives_no_collapsed_interval():
    result = krippendorff_alpha(np.tile(np.repeat([0, 1], [40, 20]), (3, 1)))
    assert result.value == 1
    assert np.isnan([result.low, result.high]).all()
    assert any("do not vary" in note for note in result.notes)


def test_few_positive_items_give_no_bootstrap_interval():
    data = np.zeros((3, 200))
    data[:2, :9] = 1
    result = krippendorff_alpha(data)
    assert np.isnan(result.low)
    assert result.n_positive == 9
    assert any("9 items have a positive vote" in note for note in result.notes)
    data[0, 9] = 1
    assert np.isfinite(krippendorff_alpha(data).low)


def test_one_cluster_gives_no_interval():
    data = five_raters(np.random.default_rng(0))
    assert np.isnan(krippendorff_alpha(data, cluster=["s"] * 300).low)
    assert np.isfinite(krippendorff_alpha(data, cluster=np.arange(300) % 9).low)


def test_clusters_of_copies_widen_the_interval():
    """Twenty copies of every item are no new information."""
    rng = np.random.default_rng(5)
    data = five_raters(rng, n_items=60)
    copies, cluster = np.repeat(data, 20, axis=1), np.repeat(np.arange(60), 20)
    plain, honest, once = (
        krippendorff_alpha(copies),
        krippendorff_alpha(copies, cluster=cluster),
        krippendorff_alpha(data),
    )
    assert honest.high - honest.low > 3 * (plain.high - plain.low)
    assert honest.high - honest.low == pytest.approx(once.high - once.low, rel=0.15)


def test_bootstrap_interval_has_the_spread_of_the_coefficient():
    """Standard deviation over fresh data, against the interval of one data set."""
    rng = np.random.default_rng(11)
    values = [krippendorff_alpha(five_raters(rng), n_resamples=2).value for _ in range(200)]
    result = krippendorff_alpha(five_raters(rng))
    assert (result.high - result.low) / (2 * 1.96) == pytest.approx(np.std(values), rel=0.25)


def test_same_seed_same_interval_and_the_rng_is_used():
    data = five_raters(np.random.default_rng(0))
    assert krippendorff_alpha(data) == krippendorff_alpha(data)
    other = krippendorff_alpha(data, rng=np.random.default_rng(9))
    assert other.low != krippendorff_alpha(data).low


def designed_sample(rng, n_items=40_000):
    """5 % harm, a judge that misses half of it; half of some 2,000 labels on flagged items."""
    y = rng.random(n_items) < 0.05
    side = np.where(y, rng.random(n_items) < 0.5, rng.random(n_items) < 0.03).astype(float)
    pi = np.where(side == 1, 1000 / side.sum(), 1000 / (1 - side).sum())
    labelled = rng.random(n_items) < pi
    return np.where(labelled, y, NAN), side, pi, y


def gwet_pair(a, b, **design):
    return gwet_ac1([a, b], **design)


@pytest.mark.parametrize("statistic", [gwet_pair, positive_agreement])
def test_weights_undo_the_design(statistic):
    y, side, pi, truth = designed_sample(np.random.default_rng(20261124))
    pool = statistic(truth.astype(float), side).value
    weighted = statistic(y, side, inclusion_probability=pi)
    assert weighted.low <= pool <= weighted.high
    assert abs(statistic(y, side).value - pool) > 0.1
    assert not any("this sample" in note for note in weighted.notes)
    assert any("this sample" in note for note in statistic(y, side).notes)


def test_strata_imply_the_probabilities():
    y, side, _, _ = designed_sample(np.random.default_rng(20261124))
    share = [np.mean(~np.isnan(y[side == s])) for s in (0, 1)]
    by_stratum = cohen_kappa(y, side, stratum=side.astype(int))
    by_probability = cohen_kappa(y, side, inclusion_probability=np.where(side == 1, share[1], share[0]))
    assert by_stratum.value == pytest.approx(by_probability.value, abs=1e-12)
    assert by_stratum.low == pytest.approx(by_probability.low, abs=0.01)


def test_weighted_gwet_and_percent_follow_the_weighted_table():
    a, b = table(4, 2, 1, 13)
    pi = np.where(b == 1, 1.0, 0.5)
    cells = np.array([4 * 1, 2 * 2, 1 * 1, 13 * 2]) / 35
    agree, pi_positive = cells[0] + cells[3], (2 * cells[0] + cells[1] + cells[2]) / 2
    chance = 2 * pi_positive * (1 - pi_positive)
    assert percent_agreement([a, b], inclusion_probability=pi).value == pytest.approx(agree)
    assert gwet_ac1([a, b], inclusion_probability=pi).value == pytest.approx((agree - chance) / (1 - chance))


def test_text_ratings():
    a, b = ["no", "yes", "yes", None, "no"], ["no", "yes", "no", "yes", "no"]
    numbers = [[0, 1, 1, NAN, 0], [0, 1, 0, 1, 0]]
    assert krippendorff_alpha([a, b]).value == krippendorff_alpha(numbers).value
    assert cohen_kappa(a, b).value == cohen_kappa(*numbers).value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: krippendorff_alpha([0, 1, 1]), r"reliability_data must fulfil ndim == 2 .* got shape \(3,\)"),
        (lambda: krippendorff_alpha([[0, 1], [0, 1]], confidence_level=95), "got 95"),
        (lambda: krippendorff_alpha([[0, 1], [0, 1]], level_of_measurement="norminal"), "got 'norminal'"),
        (lambda: krippendorff_alpha([["a", "b"], ["a", "b"]], level_of_measurement="ratio"), "numeric values"),
        (lambda: krippendorff_alpha([[0, 1], [0, 1]], cluster=[1]), r"cluster must fulfil shape == \(2,\)"),
        (lambda: cohen_kappa([0, 1], [0, 1, 1]), r"a.shape == b.shape"),
        (lambda: cohen_kappa([0, 1], [0, 1], weights="cubic"), "got 'cubic'"),
        (lambda: cohen_kappa([0, 1], [0, 1], inclusion_probability=[0.5, 0]), "0 < p <= 1 where labelled, got 0.0"),
        (lambda: cohen_kappa([0, 1], [0, 1], inclusion_probability=[0.5, NAN]), "got nan"),
        (lambda: positive_agreement([0, 2], [0, 1]), r"values in \(0, 1, nan\)"),
        (lambda: gwet_ac1([[0, 2]], value_domain=[0, 1]), r"values in value_domain, got \[2\]"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def clustered_votes(n_scenarios, rng):
    """Two raters, 24 items a scenario, scenarios that differ in how often there is harm."""
    scenario = np.repeat(np.arange(n_scenarios), 24)
    harm = rng.random(scenario.size) < rng.beta(1, 3, n_scenarios)[scenario]
    votes = [np.where(harm, rng.random(harm.size) < 0.85, rng.random(harm.size) < 0.05) for _ in range(2)]
    return *(vote.astype(float) for vote in votes), scenario


@pytest.mark.parametrize("n_scenarios", [2, 4])
def test_fewer_than_five_scenarios_give_no_interval_and_say_so(n_scenarios):
    a, b, scenario = clustered_votes(n_scenarios, np.random.default_rng(1))
    kappa = cohen_kappa(a, b, cluster=scenario)
    assert not np.isnan(kappa.value)
    assert np.isnan([kappa.low, kappa.high]).all()
    assert any(f"{n_scenarios} scenarios, 5 are needed" in note for note in kappa.notes)


def test_few_scenarios_hold_the_kappa_of_a_very_large_study():
    rng = np.random.default_rng(8)
    a, b, _ = clustered_votes(5000, rng)
    truth, covered = cohen_kappa(a, b).value, 0
    for _ in range(150):
        a, b, scenario = clustered_votes(5, rng)
        kappa = cohen_kappa(a, b, cluster=scenario, n_resamples=200)
        covered += not (kappa.low > truth or kappa.high < truth)
    assert covered >= 132  # .935 less three standard errors; .85 before limits were stretched


def test_a_grader_that_never_flags_has_a_kappa_of_0_without_an_interval():
    kappa = cohen_kappa([1.0] * 12 + [0.0] * 40, [0.0] * 52)
    assert kappa.value == 0
    assert np.isnan([kappa.low, kappa.high]).all()
    assert any("the second rater uses one value throughout" in note for note in kappa.notes)
