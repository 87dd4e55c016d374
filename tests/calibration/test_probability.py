"""Scores as probabilities: published and computed values, definitions by brute force, folds that do not leak."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import reliability
from calibration.rates.intervals import clopper_pearson

NAN = float("nan")


@pytest.fixture(scope="module")
def cases(reference_cases):
    found = json.loads((reference_cases / "brier_ece.json").read_text())
    return {case["name"]: case for case in found}


def test_published_brier(cases):
    case = cases["sklearn_doc"]
    assert reliability(case["y"], case["p"]).brier == pytest.approx(case["published_brier"])


def test_synthetic_scores(cases):
    case = cases["synthetic200"]
    result = reliability(case["y"], case["p"])
    assert result.brier == pytest.approx(case["brier"], rel=1e-12)
    assert result.log_loss == pytest.approx(case["logloss"], rel=1e-12)
    assert result.ece == pytest.approx(case["ece10_equal_width"], rel=1e-12)
    assert result.ece == pytest.approx(case["netcal_ece10"], rel=1e-12)
    # The reference cuts ties between bins in the order of the rows; an offset by row makes that order explicit.
    untied = np.array(case["p"]) + 1e-9 * np.arange(200)
    assert reliability(case["y"], untied, binning="mass").ece == pytest.approx(case["ece10_equal_mass"], abs=1e-6)
    corp = case["corp_decomposition"]
    for name in ("miscalibration", "discrimination", "uncertainty"):
        assert getattr(result, name) == pytest.approx(corp[name], rel=1e-9)
    total = result.miscalibration - result.discrimination + result.uncertainty
    assert total == pytest.approx(result.brier, rel=1e-12)


def test_null_reference_by_simulation(cases):
    """The null is the mean over labels drawn from the scores themselves."""
    p = np.array(cases["synthetic200"]["p"])
    null = reliability(cases["synthetic200"]["y"], p).null
    rng = np.random.default_rng(9)
    drawn = [reliability((rng.random(200) < p).astype(float), p) for _ in range(60)]
    assert null.brier == pytest.approx(np.mean([d.brier for d in drawn]), rel=0.1)
    assert null.log_loss == pytest.approx(np.mean([d.log_loss for d in drawn]), rel=0.1)
    assert null.ece == pytest.approx(np.mean([d.ece for d in drawn]), rel=0.1)
    assert np.mean([d.ece > null.ece_high for d in drawn]) <= 0.15


def test_a_perfect_rare_judge_does_not_show_zero():
    """The error of a perfect judge falls like 1 / sqrt(n) and is far from 0 (section 12)."""
    rng = np.random.default_rng(0)
    samples = {n: [rng.beta(0.1, 3, n) for _ in range(10)] for n in (50, 200, 500)}
    null = {n: np.mean([reliability(np.zeros(n), p).null.ece for p in drawn]) for n, drawn in samples.items()}
    assert null[50] > null[200] > null[500] > 0.005
    assert null[50] / null[500] == pytest.approx(np.sqrt(10), rel=0.35)


def test_bins_carry_exact_bands():
    y, p = [0, 0, 1, 1, 1, 0], [0.1, 0.12, 0.3, 0.95, 1.0, NAN]
    result = reliability(y, p)
    assert [b.n_items for b in result.bins] == [2, 1, 2]
    assert [b.rate for b in result.bins] == [0, 1, 1]
    assert (result.bins[1].start, result.bins[1].end) == (0.3, 0.3)
    assert (result.bins[2].low, result.bins[2].high) == pytest.approx([float(v) for v in clopper_pearson(2, 2)])
    assert result.n_items == 5
    assert "1 labelled items without a score left out" in result.notes


def test_weights_undo_the_design():
    """A pool labelled one in ten where not flagged has the Brier score and the error of the whole pool."""
    rng = np.random.default_rng(2)
    p = rng.random(4000) ** 4
    y = (rng.random(4000) < p).astype(float)
    pi = np.where(p > 0.5, 1.0, 0.25)
    seen = np.where(rng.random(4000) < pi, y, NAN)
    whole, naive = reliability(y, p), reliability(seen, p)
    weighted = reliability(seen, p, inclusion_probability=pi)
    assert abs(weighted.brier - whole.brier) < 0.3 * abs(naive.brier - whole.brier)
    assert any("valid only for this sample" in note for note in naive.notes)
    assert not any("valid only" in note for note in weighted.notes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)), min_size=1, max_size=40), st.randoms())
def test_order_of_items_changes_nothing(rows, random):
    y, p = zip(*rows, strict=True)
    shuffled = list(rows)
    random.shuffle(shuffled)
    for binning in ("width", "mass"):
        first = reliability(y, p, binning=binning)
        second = reliability(*zip(*shuffled, strict=True), binning=binning)
        assert first.brier == pytest.approx(second.brier, abs=1e-12)
        assert first.ece == pytest.approx(second.ece, abs=1e-12)
        assert [b.n_items for b in first.bins] == [b.n_items for b in second.bins]
        assert all(b.low <= b.rate + 1e-12 and b.rate <= b.high + 1e-12 for b in first.bins)


def test_certain_and_wrong_costs_much_and_is_said():
    result = reliability([1, 0], [0, 0])
    assert result.log_loss == pytest.approx(-np.log(1e-15) / 2)
    assert "1 items scored 0 or 1 and labelled otherwise" in result.notes[0]
    nothing = reliability([NAN, 1], [0.5, NAN])
    assert np.isnan([nothing.brier, nothing.ece, nothing.null.ece, nothing.uncertainty]).all()
    assert nothing.bins == ()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0, 2], [0.1, 0.2]), {}, "0 <= y <= 1"),
        (([0, 1], [0.1, 1.2]), {}, "0 <= score <= 1"),
        (([0, 1], [0.1]), {}, "one value per transcript"),
        (([0, 1], [0.1, 0.2]), {"n_bins": 0}, "n_bins must be at least 1"),
        (([0, 1], [0.1, 0.2]), {"binning": "equal"}, "binning must be one of"),
        (([0, 1], [0.1, 0.2]), {"inclusion_probability": [0, 1]}, "0 < p <= 1 where labelled, got 0"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        reliability(*arguments, **options)
