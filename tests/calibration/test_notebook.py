"""Answers in a notebook: their numbers, their caveats, and no markup from a name."""

from __future__ import annotations

import pytest

from calibration import cohen_kappa, compare_rates, rate_from_counts, run_study
from grader.verdict_frame import typed


def test_a_rate_shows_its_error_bar_and_its_caveats():
    html = rate_from_counts([200, 1000], [40, 160], [28, 3])._repr_html_()
    assert "13.2 %" in html and "9.88-16.9 %" in html and "31 harmful" in html
    nothing = rate_from_counts([200, 1000], [40, 0], [28, 0])._repr_html_()
    assert "not known" in nothing and "holds no label" in nothing


def test_differences_and_agreements_show():
    difference = compare_rates(rate_from_counts([100], [100], [22]), rate_from_counts([100], [100], [3]))
    assert "+19.0 points" in difference._repr_html_()
    assert "kappa" in cohen_kappa([1, 0, 1, 0], [1, 0, 0, 0])._repr_html_()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a&b"])
def test_names_are_text(name):
    import pandas as pd

    rows = {"transcript_id": ["a", "b"], "harm": name, "grader": "j", "present": [True, False]}
    html = run_study(typed(pd.DataFrame(rows)))._repr_html_()
    assert name not in html and "Harm rates" in html
