"""Figures and tables for papers hold the report's numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from campaign import write_campaign

from calibration import run_study
from calibration.report.papers import write_papers
from grader import read_verdicts
from labels import read_labels
from labels.sampling.designs import read_design


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


HOSTILE = "a\\input{/etc/passwd} $\\frac{$ $x^2$ & 5% #1 {y} ~ _z\\\\ \x1b[2J"


def test_hostile_names_are_text_in_every_table_and_figure(tmp_path):
    """Whatever an arm or a grader is called: LaTeX reads one cell, a spreadsheet no formula."""
    campaign = write_campaign(tmp_path)
    verdicts = read_verdicts(campaign.verdicts).assign(grader=f"=judge {HOSTILE}")
    verdicts["arm"] = [HOSTILE if int(id_[1:]) % 2 == 0 else "b" for id_ in verdicts["transcript_id"]]
    report = run_study(verdicts, read_labels(campaign.labels), design=read_design(campaign.design), by=["arm"])
    write_papers(report, tmp_path / "papers")
    for name in ("rates", "agreement"):
        latex = (tmp_path / "papers" / "tables" / f"{name}.tex").read_text()
        plain = re.sub(r"\\textbackslash |\\textasciitilde |\\textasciicircum |\\[$&%#{}_~^]|\\ ", "", latex)
        rows = plain.splitlines()
        commands = {"space", "begin", "end", "toprule", "midrule", "bottomrule", ""}  # the last is the end of a row
        assert set(re.findall(r"\\([a-zA-Z]*)", plain)) <= commands
        assert len({row.count("&") for row in rows if row.endswith("\\\\")}) == 1
    rates = pd.read_csv(tmp_path / "papers" / "tables" / "rates.csv")
    assert rates["grader"].str.startswith("'=judge").all() and rates["group"].str.contains("input", regex=False).any()
    ET.parse(next((tmp_path / "papers" / "figures").glob("*.svg")))
