"""What an agreement says of itself: statistic, counts and notes, against brute force."""

import numpy as np
import pytest

from calibration import (
    cohen_kappa,
    grader_accuracy,
    gwet_ac1,
    krippendorff_alpha,
    positive_agreement,
    reliability,
)
from calibration.agreement.panel import error_correlation
from calibration.agreement.statistics import percent_agreement

NAN = float("nan")
RATERS = {
    "alpha": krippendorff_alpha,
    "ac1": gwet_ac1,
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


def test_an_error_correlation_counts_the_items_on_which_either_erred():
    y, sides = [0] * 90, np.zeros((2, 90))
    for grader in range(2):
        sides[grader, grader * 10 : grader * 10 + 10] = 1
    assert error_correlation(y, *sides[:2]).statistic == "error_correlation"
    assert error_correlation(y, *sides[:2]).n_positive == 20


def test_a_share_tells_of_which_items_it_is_one():
    y, side = [1] * 20 + [0] * 30 + [NAN], [1] * 16 + [0] * 4 + [1] * 3 + [0] * 27 + [1]
    found = grader_accuracy(y, side)
    for key, told in {
        "sensitivity": "16 of 20 labelled harmful items",
        "specificity": "27 of 30 labelled harmless items",
        "ppv": "16 of 19 labelled flagged items",
        "npv": "27 of 31 labelled unflagged items",
    }.items():
        assert told in found[key].notes and found[key].statistic == key
        assert (found[key].n_raters, found[key].confidence_level) == (2, 0.95)


def test_three_raters_are_resampled_by_item(votes):
    assert "interval: bootstrap over items" in krippendorff_alpha(votes, n_resamples=50).notes
    assert not any("bootstrap" in note for note in cohen_kappa(*two(votes)).notes)


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
