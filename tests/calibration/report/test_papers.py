"""Figures and tables for papers hold the report's numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from campaign import write_campaign

from calibration import run_study
from calibration.report.papers import write_papers
from grader import read_verdicts
from labels import read_labels
from labels.designs import read_design


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    campaign = write_campaign(tmp_path_factory.mktemp("campaign"))
    verdicts = read_verdicts(campaign.verdicts)
    verdicts["arm"] = ["a_1" if int(id_[1:]) % 2 == 0 else "b" for id_ in verdicts["transcript_id"]]
    report = run_study(verdicts, read_labels(campaign.labels), design=read_design(campaign.design), by=["arm"])
    folder = tmp_path_factory.mktemp("papers")
    return report, folder, write_papers(report, folder)


def test_tables_hold_the_numbers(written):
    report, folder, paths = written
    assert {p.relative_to(folder).as_posix() for p in paths} >= {"figures/rates-leaking.png", "tables/agreement.tex"}
    rates = pd.read_csv(folder / "tables" / "rates.csv")
    assert rates["low"].tolist() == pytest.approx([f.estimate.low for f in report.rates])
    assert len(pd.read_csv(folder / "tables" / "agreement.csv")) == len(report.agreement)
    (difference,) = report.comparisons
    assert pd.read_csv(folder / "tables" / "comparisons.csv")["high"].tolist() == pytest.approx(
        [difference.difference.high]
    )


def test_latex_is_escaped_and_figures_are_whole(written):
    _, folder, _ = written
    latex = (folder / "tables" / "rates.tex").read_text()
    assert latex.startswith("\\begin{tabular}") and "arm=a\\_1" in latex
    assert ET.parse(folder / "figures" / "rates-leaking.svg").getroot().tag.endswith("svg")
    assert (folder / "figures" / "rates-leaking.png").read_bytes().startswith(b"\x89PNG")
