"""Answers in a notebook: their numbers, their caveats, and no markup from a name."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from calibration import cohen_kappa, compare_rates, rate_from_counts, run_study
from grader.verdict.frame import typed


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


def facts(html: str) -> dict[str, str]:
    return dict(re.findall("<tr><th>(.*?)</th><td>(.*?)</td></tr>", html))


def test_every_card_shows_these_facts_and_no_others():
    rate = rate_from_counts([200, 1000], [40, 160], [28, 3])
    assert re.search("<caption>(.*?)</caption>", rate._repr_html_())[1] == "Harm rate"
    assert facts(rate._repr_html_()) == {
        "rate": f"{100 * rate.rate:.3g} %",
        "95 % interval": "9.88-16.9 %",
        "target": "scenarios",
        "method": "post-stratified",
        "from": "200 labelled, 31 harmful, of 1200 transcripts; scored 1200",
    }
    difference = compare_rates(rate, rate_from_counts([100], [100], [3]))
    assert re.search("<caption>(.*?)</caption>", difference._repr_html_())[1] == "Difference of rates"
    assert facts(difference._repr_html_()) == {
        "difference": f"{100 * difference.difference:+.1f} points",
        "95 % interval": f"{100 * difference.low - 0.05:+.1f} to {100 * difference.high + 0.05:+.1f} points",
        "p": f"{difference.p_value:.2g}" if difference.p_value >= 0.0001 else "&lt; 0.0001",
        "method": "mover",
    }
    kappa = cohen_kappa([1, 0, 1, 0] * 9, [1, 0, 0, 0] * 9)
    assert facts(kappa._repr_html_()) == {
        "value": f"{kappa.value:.3f}",
        "95 % interval": f"{kappa.low:.3f} to {kappa.high:.3f}",
        "from": "36 items, 18 positive, 2 raters",
    }
    bare = replace(rate, notes=(), low=float("nan"))
    assert "<ul>" not in bare._repr_html_() and facts(bare._repr_html_())["95 % interval"] == "not known"


def test_a_report_shows_a_row_for_each_rate_and_its_notes():
    import pandas as pd

    rows = {"transcript_id": ["a", "b"], "harm": "leaking", "grader": "j", "present": [True, False]}
    report = replace(run_study(typed(pd.DataFrame(rows))), notes=("read me",))
    html = report._repr_html_()
    assert re.findall("<th>(.*?)</th>", html) == ["harm", "group", "rate", "interval", "labelled", "harmful"]
    assert re.findall("<td>(.*?)</td>", html)[:1] == ["leaking"] and "<li>read me</li>" in html
