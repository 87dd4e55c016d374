"""Published and independently computed values of agreement and comparisons."""

import json

import numpy as np
import pytest

from calibration.agreement import (
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
    positive_agreement,
)
from calibration.compare import compare_paired, mcnemar_exact
from calibration.multiplicity import benjamini_yekutieli


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
