"""What other tools print, reproduced: comparators, clustered errors, weighted Poisson, paired scores."""

import json

import numpy as np
import pytest

from calibration import rate_from_counts
from calibration.rates.clusters import new_scenarios
from calibration.rates.comparators import human_only, ppi, rogan_gladen
from calibration.rates.external import lang_reiczigel
from calibration.rates.intervals import post_stratified, wilson
from calibration.rates.paired import tango


@pytest.fixture(scope="module")
def tables(reference_cases):
    cases = json.loads((reference_cases / "rate_intervals.json").read_text())["cases"]
    found = []
    for case in cases:
        c = case["counts"]
        arrays = [np.array([c[f"{name}1"], c[f"{name}0"]], dtype=float) for name in ("T", "n", "y")]
        found.append((arrays, case["design"] == "uniform", case["expected"]))
    assert len(found) == 8
    return found


def test_humans_alone(tables):
    for (size, n, y), uniform, expected in tables:
        if uniform:
            assert human_only(size, n, y)[1:] == pytest.approx(expected["human_cp"], abs=1e-12)
            assert wilson(y.sum(), n.sum()) == pytest.approx(expected["human_wilson"], abs=1e-12)


def test_prediction_powered(tables):
    """The values of ppi_py: lambda 1, tuned, and weighted for designed samples."""
    for counts, uniform, expected in tables:
        if uniform:
            assert ppi(*counts, power=1.0)[1:] == pytest.approx(expected["ppi_py_lam1"], abs=1e-12)
            tuned = [expected["ppi_py_point_tuned"], *expected["ppi_py_tuned"]]
            assert list(ppi(*counts)) == pytest.approx(tuned, abs=1e-12)
        else:
            found = ppi(*counts, uniform=False)
            assert found[1:] == pytest.approx(expected["ppi_py_weighted_tuned"], abs=1e-12)
            assert found[0] == pytest.approx(expected["poststrat_point"])


def test_rogan_gladen(tables):
    """The reference cuts at 0 and leaves the uncut upper end; without labelled harm it refuses, we say nan."""
    for counts, uniform, expected in tables:
        if not uniform:
            continue
        found = rogan_gladen(*counts)
        if isinstance(expected["rg_delta"], str):
            assert np.isnan(found).all()
        else:
            assert np.clip(found, 0, 1) == pytest.approx(expected["rg_delta"], abs=1e-12)


def test_lang_reiczigel_from_the_pools_own_labels(tables):
    for (size, n, y), uniform, expected in tables:
        if not uniform:
            continue
        harmless = n - y
        with np.errstate(invalid="ignore"):
            se, sp = y[0] / y.sum(), harmless[1] / harmless.sum()
        arguments = size[0] / size.sum(), size.sum(), se, y.sum(), sp, harmless.sum()
        if expected["lang_reiczigel_cigate"] == "refused":
            with pytest.raises(ValueError, match="sensitivity"):
                lang_reiczigel(*arguments)
        else:
            assert lang_reiczigel(*arguments) == pytest.approx(expected["lang_reiczigel_cigate"], abs=1e-12)


def test_variants_of_the_default(tables):
    for counts, _, expected in tables:
        exact = post_stratified(*counts, upper="clopper-pearson")
        assert exact[1:] == pytest.approx(expected["mover_cp"], rel=1e-9, abs=1e-12)
        assert exact.estimate == pytest.approx(expected["poststrat_point"], abs=1e-12)
        plain = post_stratified(*counts, upper="jeffreys")
        assert plain[1:] == pytest.approx(expected["plain_jeffreys_upper"], rel=1e-9, abs=1e-12)
        # This reference for the pool takes the mix of strata as known, without the finite population correction.
        known_mix = post_stratified(*counts, upper="jeffreys", mix_factor=0.0)
        assert known_mix[1:] == pytest.approx(expected["plain_jeffreys_upper_pool_target"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", ["apparent", "human-only", "rogan-gladen", "ppi", "aipw"])
def test_no_comparator_prints_zero_width_without_a_warning(tables, method):
    """Peers answer [0, 0] to 0 harms in 200; ours gives an upper end, and says what the comparator's is worth."""
    counts, _, expected = tables[0]
    assert expected["ppi_py_tuned"] == expected["cje"] == expected["fewhumans_E3"] == [0.0, 0.0]
    assert rate_from_counts(*counts).high > 0.015
    compared = rate_from_counts(*counts, design="uniform", method=method)
    text = " ".join(compared.notes)
    if compared.high <= compared.low or np.isnan(compared.rate):
        assert "Not to be trusted" in text
        assert "width 0 is an artefact" in text or "No answer" in text
    assert "0 of 200 human-labelled transcripts were harmful" in text
    assert "Harm rate below 1.9 %" in text


def test_scenarios_without_harm_have_an_upper_limit_all_the_same(reference_cases):
    """Where clustered standard errors are 0."""
    *_, zeros = json.loads((reference_cases / "clustered_se.json").read_text())
    per_scenario = np.unique(zeros["clusters"], return_counts=True)[1][None]
    assert new_scenarios(per_scenario, per_scenario, np.zeros_like(per_scenario)).high > 0.02


def test_tango(reference_cases):
    for case in json.loads((reference_cases / "paired_differences.json").read_text())["cases"]:
        assert tango(*case["table_abcd"]) == pytest.approx(case["tango"][1:], abs=2e-6)
