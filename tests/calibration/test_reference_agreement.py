"""Published and independently computed values of agreement and comparisons."""

import json

import numpy as np
import pytest
from scipy.special import stdtrit

from calibration.agreement.statistics import (
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
    positive_agreement,
)
from calibration.compare import compare_paired
from calibration.rates.multiplicity import benjamini_yekutieli
from calibration.rates.paired import mcnemar_exact


@pytest.fixture(scope="module")
def cases(reference_cases):
    return lambda name: json.loads((reference_cases / f"{name}.json").read_text())


def from_table(table):
    """Two raters from a q x q table of counts."""
    table = np.asarray(table)
    a, b = np.indices(table.shape)
    return np.repeat(a.ravel(), table.ravel()), np.repeat(b.ravel(), table.ravel())


def test_krippendorff_alpha(cases):
    for case in cases("krippendorff_alpha"):
        data = np.array(case["raters_by_units"], dtype=float)
        for level, expected in case["computed_10digits"].items():
            assert krippendorff_alpha(data, level_of_measurement=level).value == pytest.approx(expected, abs=1e-9)
        for level, expected in case["published"].items():
            assert krippendorff_alpha(data, level_of_measurement=level).value == pytest.approx(expected, abs=6e-4)


def test_krippendorff_edge(cases):
    same, one_positive, paradox = cases("krippendorff_edge")
    assert np.isnan(krippendorff_alpha(same["raters_by_units"]).value)
    data = one_positive["raters_by_units"]
    assert krippendorff_alpha(data).value == pytest.approx(one_positive["alpha"], abs=1e-12)
    assert percent_agreement(data).value == one_positive["raw_agreement"]
    assert positive_agreement(*data).value == 0
    assert krippendorff_alpha(data).n_positive == 1
    a, b = from_table(paradox["table_2x2"])
    assert cohen_kappa(a, b).value == pytest.approx(paradox["kappa"], abs=1e-9)
    assert gwet_ac1([a, b]).value == pytest.approx(paradox["ac1"], abs=1e-9)
    assert percent_agreement([a, b]).value == paradox["raw_agreement"]


def test_kappa_tables(cases):
    sas, abstractors, diagnosis = cases("cohen_kappa_tables")
    a, b = from_table(sas["table"])
    assert cohen_kappa(a, b).value == pytest.approx(sas["published"]["kappa"], abs=6e-5)
    weighted = cohen_kappa(a, b, weights="linear").value
    assert weighted == pytest.approx(sas["published_linear_weighted"]["kappa"], abs=6e-5)
    for case in (abstractors, diagnosis):
        a, b = from_table(case["table"])
        expected = case["computed_irrCAC_py"]
        assert cohen_kappa(a, b).value == pytest.approx(expected["cohen"][0], abs=6e-8)
        assert gwet_ac1([a, b]).value == pytest.approx(expected["gwet"][0], abs=6e-8)
        assert krippendorff_alpha([a, b]).value == pytest.approx(expected["krippendorff"][0], abs=6e-8)


def test_dirichlet_intervals(cases):
    golden = cases("extras_golden")["dirichlet"]
    n11, n10, n01, n00 = golden["args"]
    a, b = np.repeat([1, 1, 0, 0], golden["args"]), np.repeat([1, 0, 1, 0], [n11, n10, n01, n00])
    for name, result in (
        ("kappa", cohen_kappa(a, b)),
        ("ac1", gwet_ac1([a, b])),
        ("positive_agreement", positive_agreement(a, b)),
    ):
        assert (result.low, result.high) == pytest.approx(golden["expected"][name], abs=golden["mc_tol"])


def test_paired_differences(cases):
    for case in cases("paired_differences")["cases"]:
        both, first, second, neither = case["table_abcd"]
        a, b = np.repeat([1, 1, 0, 0], case["table_abcd"]), np.repeat([1, 0, 1, 0], [both, first, second, neither])
        price, newcombe = compare_paired(a, b), compare_paired(a, b, method="newcombe")
        assert (price.low, price.high) == pytest.approx(case["bonett_price"][1:], abs=1e-12)
        assert (newcombe.difference, newcombe.low, newcombe.high) == pytest.approx(case["newcombe10"], abs=1e-12)
        assert mcnemar_exact(first, second) == pytest.approx(case["mcnemar_exact_p"], rel=1e-9)


def test_benjamini_yekutieli(cases):
    case = cases("benjamini_yekutieli")
    adjusted = benjamini_yekutieli(case["p"])
    assert adjusted.tolist() == pytest.approx(case["p_adj"])
    assert (adjusted <= case["q"]).tolist() == case["reject"]


@pytest.mark.parametrize("weights", ["identity", "linear", "ordinal", "quadratic"])
def test_irrcac(cases, weights):
    """Five data sets; intervals where no item has a single vote."""
    for case in cases("irrcac_raw"):
        data = np.array(case["units_by_raters"], dtype=object).T
        single_votes = ((data != None).sum(axis=0) < 2).any()  # noqa: E711
        for name, expected in case["computed"][weights].items():
            if name == "krippendorff":
                level = {"identity": "nominal", "quadratic": "interval"}.get(weights)
                if level is None or (level == "interval" and isinstance(data[0, 0], str)):
                    continue  # its ordinal distance is not Gwet's weight; text has no interval
                result = krippendorff_alpha(data, level_of_measurement=level, interval="linearised")
            elif name == "gwet" and weights == "identity":
                result = gwet_ac1(data, interval="linearised")
            else:
                continue
            assert result.value == pytest.approx(expected["coef"], abs=6e-8), (case["name"], name)
            if not single_votes and name != "krippendorff":
                # Single votes: irrCAC counts them as items without agreement. Alpha: it prints Fleiss' error.
                assert result.low == pytest.approx(expected["ci"][0], abs=1e-6), (case["name"], name)
                assert result.high == pytest.approx(expected["ci"][1], abs=1e-6), (case["name"], name)


def ratings_from_counts(counts):
    """Votes per item and value as raters x items; which rater gave which vote is unknown and does not matter."""
    return np.array([np.repeat(np.arange(len(row)), row) for row in counts]).T


def test_votes_from_counts(cases):
    six, _ = cases("fleiss_distrib")
    data = ratings_from_counts(six["counts"])
    for result, expected in ((gwet_ac1(data, interval="linearised"), six["published"]["ac1"]),):
        t = 2.144787  # 14 degrees of freedom
        assert (result.value, (result.value - result.low) / t) == pytest.approx(expected, abs=1e-6)
    assert krippendorff_alpha(data).value == pytest.approx(six["published"]["kripp"][0], abs=6e-8)


def test_standard_errors_of_kappa(cases):
    """SAS prints the large-sample error with 1 / n; ours divides by n - 1 and uses t."""
    sas, abstractors, diagnosis = cases("cohen_kappa_tables")
    for case, expected in (
        (sas, sas["published"]["ase"]),
        (abstractors, abstractors["published"]["cohen"][1]),
        (diagnosis, diagnosis["computed_irrCAC_py"]["cohen"][1]),
    ):
        a, b = from_table(case["table"])
        result = cohen_kappa(a, b, interval="linearised")
        stderr = (result.value - result.low) / stdtrit(a.size - 1, 0.975)
        assert stderr * np.sqrt((a.size - 1) / a.size) == pytest.approx(expected, rel=6e-3)
