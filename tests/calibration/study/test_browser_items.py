"""What the page's browser holds of each transcript: the groups of the report among its facts."""

from __future__ import annotations

import base64
import gzip
import json
import re

import pandas as pd
import pytest

from calibration.report import html
from calibration.study.browser_items import exhibits_of
from calibration.study.compute import study
from calibration.study.folder import POOL, VERDICTS
from calibration.study.settings import StudySettings
from grader import write_verdicts
from grader.verdict.frame import verdict_frame

SITES = ["north", "south", None]
BY = ("site", "verdict:deception", "set")


@pytest.fixture
def grouped(tmp_path):
    """A folder whose pool knows more of its transcripts than verdicts do, and settings that group by all of it."""
    rows = [
        {"transcript_id": f"t{i}", "harm": harm, "grader": "j", "present": i % 2 == 0, "scenario": f"s{i % 3}"}
        for i in range(9)
        for harm in ("leaking", "deception")
    ]
    verdicts = verdict_frame(rows)
    pool = pd.DataFrame({"transcript_id": [f"t{i}" for i in range(9)], "site": SITES * 3, "secret": "hidden"})
    write_verdicts(verdicts, tmp_path / VERDICTS)
    pool.to_parquet(tmp_path / POOL)
    settings = StudySettings(by=BY, sets={"first": ("s0",), "rest": ("s1", "s2")}, harms=("leaking",))
    return tmp_path, settings, study(verdicts, None, settings, pool=pool)


def test_every_group_of_the_report_is_found_among_the_facts(grouped):
    folder, settings, report = grouped
    shown = exhibits_of(folder, settings)
    assert len(report.rates) > 1
    for finding in report.rates:
        inside = [i for i in shown.items if all(i["facts"][key] == value for key, value in finding.group.items())]
        assert len(inside) == finding.estimate.n_transcripts
    assert {i["facts"]["site"] for i in shown.items} == {"north", "south", "(none)"}


def test_a_page_for_sharing_tells_the_groups_and_no_other_metadata(grouped):
    folder, settings, report = grouped
    page = html(report, exhibits_of(folder, settings), redact=True)
    (packed,) = re.findall(r'id="index">([^<]*)<', page)
    index = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert index["by"] == list(BY)
    assert {key for item in index["items"] for key in item["facts"]} == {"scenario", *BY}
    assert "hidden" not in json.dumps(index)
