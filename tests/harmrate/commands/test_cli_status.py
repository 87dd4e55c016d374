"""``harmrate labels status``: numbers of the library on stdout, notes on stderr, one line for bad input."""

from __future__ import annotations

import json

import pytest
from campaign import HARM, write_campaign
from typer.testing import CliRunner

from calibration.report.campaign_console import status_json
from calibration.study.campaign.status import campaign_status
from cli import app
from grader import read_verdicts
from labels import read_labels
from labels.sampling.designs import read_design


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return write_campaign(tmp_path_factory.mktemp("campaign"))


def run(*arguments) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["labels", "status", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_json_is_the_status_of_the_library(campaign):
    files = ("--labels", campaign.labels, "--design", campaign.design, "--verdicts", campaign.verdicts)
    code, out, _ = run(*files, "--width", 0.2, "--below", 0.5, "--harm", HARM, "--json")
    assert code == 0
    expected = campaign_status(
        read_labels(campaign.labels),
        [read_design(campaign.design)],
        read_verdicts(campaign.verdicts),
        width=0.2,
        below=0.5,
    )
    assert json.loads(out) == json.loads(status_json(expected))


def test_tables_on_stdout_and_notes_on_stderr(campaign):
    code, out, err = run("--labels", campaign.labels, "--design", campaign.design)
    assert code == 0
    assert "80 of 240 transcripts drawn" in out and "The rate so far" in out
    assert "Harm as labelled by these 3 raters." in err


def test_the_answer_comes_first_and_fits_on_one_screen(campaign):
    code, out, err = run("--labels", campaign.labels, "--design", campaign.design, "--width", 0.1)
    assert code == 0
    assert out.splitlines()[1].startswith(f"{HARM}: rate so far ")
    assert "Left: about" in out and "Next: " in out
    assert len(out.splitlines()) + len(err.splitlines()) <= 24
    assert "Time per transcript" not in out
    everything = run("--labels", campaign.labels, "--design", campaign.design, "--width", 0.1, "--all")[1]
    assert everything.startswith(out)
    assert "The rate by kind of consensus" in everything


def test_a_round_s_folder_is_enough(campaign, tmp_path):
    folder = tmp_path / "round1"
    folder.mkdir()
    (folder / "design.csv").write_bytes(campaign.design.read_bytes())
    code, out, err = run(folder)
    assert (code, out) == (2, "")
    assert "holds no labels yet" in err and "labels pull" in err
    read_labels(campaign.labels).write(folder / "labels.parquet")
    assert run(folder)[:2] == run("--labels", campaign.labels, "--design", campaign.design)[:2]
    assert "name the folder" in run()[2]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--harm", "fraud"], "no harm 'fraud' in the design"),
        (["--above", "2"], "above must fulfil 0 < above < 1, got 2.0"),
        (["--grader", "nobody else"], "no grader 'nobody else'"),
        (["--verdicts", "missing.csv"], "missing.csv"),
    ],
)
def test_bad_input_is_one_line(campaign, options, told):
    code, out, err = run("--labels", campaign.labels, "--design", campaign.design, *options)
    assert (code, out) == (2, "")
    assert told in err and err.count("\n") == 1
