"""`harmrate labels`: what is drawn, for whom, by whose verdicts; and the way to a server and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from campaign import HARM, Campaign, write_campaign
from label_studio_fake import TOKEN, Fake, fake_label_studio
from typer.testing import CliRunner

from cli import main
from grader.verdict.read import read_verdicts, write_verdicts
from labels.campaign import pilot_rates
from labels.read import read_labels
from labels.sampling.designs import read_design, read_rounds


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.chdir(tmp_path)
    return write_campaign(tmp_path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    with fake_label_studio() as server:
        monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
        server.users |= {2: "ana@example.org", 3: "bo@example.org"}
        yield server


@pytest.fixture
def labels(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run `harmrate labels ...` as the command line does; exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harmrate", "labels", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        told = capsys.readouterr()
        return int(stop.value.code or 0), told.out, told.err

    return run


def test_sample_names_raters_and_the_judge(campaign: Campaign, labels) -> None:
    code, _, err = labels(
        "sample", campaign.transcripts, "-n", 30, "--verdicts", campaign.verdicts, "--design", "flagged-25",
        "--raters", "ana, bo,cy", "--overlap", 2, "--out", "r1",
    )  # fmt: skip
    assert code == 0, err
    raters = [task["data"]["raters"] for task in json.loads(Path("r1/tasks.json").read_text())]
    assert all(len(set(pair)) == 2 for pair in raters)
    load = pd.Series([name for pair in raters for name in pair]).value_counts()
    assert load.to_dict() == {"ana": 20, "bo": 20, "cy": 20}
    design = pd.read_csv("r1/design.csv")
    assert set(design["grader"]) == {"judge"}
    code, _, err = labels("sample", campaign.transcripts, "-n", 5, "--raters", "ana", "--overlap", 2, "--out", "r2")
    assert (code, err.count("\n")) == (2, 1)
    assert "overlap must fulfil" in err


def test_raters_are_asked_about_one_harm_only(campaign: Campaign, labels) -> None:
    assert labels("sample", campaign.transcripts, "-n", 5, "--harm", "deception", "--out", "r1")[0] == 0
    assert set(read_design("r1/design.csv")["harm"]) == {"deception"}
    page = Path("r1/label_config.xml").read_text()
    assert 'name="deception"' in page and 'name="leaking"' not in page
    code, _, err = labels("sample", campaign.transcripts, "-n", 5, "--harm", "lying", "--out", "r2")
    assert code == 2 and "'lying'" in err and not Path("r2").exists()


def test_a_pool_in_shards_is_sampled_without_holding_it(campaign: Campaign, labels) -> None:
    """The design over all graded transcripts, with the probabilities of a draw in memory; rates follow from it."""
    verdicts = read_verdicts(campaign.verdicts)
    for number in range(3):
        write_verdicts(verdicts.iloc[number::3], Path(f"shards/{number}.verdicts.parquet"))
    draw = ("sample", campaign.transcripts, "-n", 40, "--design", "flagged-25", "--raters", "ana,bo")
    code, _, err = labels(*draw, "--verdicts", "shards", "--out", "r1")
    assert code == 0, err
    assert "design.parquet" in err
    labels(*draw, "--verdicts", campaign.verdicts, "--out", "whole")
    ours, whole = read_design("r1/design.parquet"), read_design("whole/design.csv")
    key = ["transcript_id", "harm"]
    both = ours.merge(whole, on=key, suffixes=("", "_whole"))
    assert len(both) == len(ours) == len(whole)
    assert (both["stratum"] == both["stratum_whole"]).all()
    assert both["inclusion_probability"].to_numpy() == pytest.approx(both["inclusion_probability_whole"].to_numpy())
    tasks = json.loads(Path("r1/tasks.json").read_text())
    drawn = set(ours.loc[ours["drawn"], "transcript_id"])
    assert {task["data"]["transcript_id"] for task in tasks} == drawn
    assert len(drawn) == 40
    assert set(ours["grader"]) == {"judge"}
    before = Path("r1/design.parquet").read_bytes()
    assert labels(*draw, "--verdicts", "shards", "--out", "r1")[0] == 0
    code, _, err = labels(*draw, "--verdicts", "shards", "--out", "r1", "--seed", 5)
    assert (code, "holds another sample" in err) == (2, True)
    assert Path("r1/design.parquet").read_bytes() == before
    again = ("--round", 2, "--earlier", "r1/design.parquet", "--out", "r2")
    assert labels(*draw, "--verdicts", "shards", *again)[0] == 0
    rounds = read_rounds("r2/design.parquet")
    assert sorted(rounds["round"].unique()) == [1, 2]
    assert not rounds[rounds["drawn"]].duplicated(key).any()


def test_a_design_is_not_overwritten(campaign: Campaign, labels) -> None:
    draw = ("sample", campaign.transcripts, "-n", 10, "--out", "r1")
    assert labels(*draw)[0] == 0
    before = Path("r1/design.csv").read_bytes()
    assert labels(*draw)[0] == 0
    code, _, err = labels(*draw, "--seed", 5)
    assert code == 2
    assert "holds another sample" in err
    assert Path("r1/design.csv").read_bytes() == before


def test_a_second_round_keeps_the_first(campaign: Campaign, labels) -> None:
    """Both rounds in one frame: rates read it as one design, with the share of each stratum that was drawn."""
    common = ("--verdicts", campaign.verdicts, "--design", "flagged-25")
    labels("sample", campaign.transcripts, "-n", 20, *common, "--out", "r1")
    code, _, err = labels(
        "sample", campaign.transcripts, "-n", 30, *common, "--round", 2, "--earlier", "r1/design.csv", "--out", "r2"
    )
    assert code == 0, err
    first, second = read_design("r1/design.csv"), read_design("r2/design.csv")
    drawn = {round_: set(frame.loc[frame["drawn"], "transcript_id"]) for round_, frame in ((1, first), (2, second))}
    tasks = {t["data"]["transcript_id"]: t["data"]["round"] for t in json.loads(Path("r2/tasks.json").read_text())}
    assert set(tasks.values()) == {2}
    assert drawn[2] == drawn[1] | set(tasks)
    assert not drawn[1] & set(tasks)
    assert len(second) == len(first)
    own = second[second["harm"] == HARM]
    share = own.groupby("stratum")["drawn"].mean()
    assert np.allclose(own["inclusion_probability"], own["stratum"].map(share))
    code, _, err = labels(
        "sample", campaign.transcripts, "-n", 9, "--round", 3, "--earlier", "r2/design.csv", "--out", "r3"
    )
    assert code == 0, err
    third = read_design("r3/design.csv")
    assert len(third) == len(first)
    assert (third["inclusion_probability"] > 0).all()


def test_neyman_takes_its_pilot_from_labels_so_far(campaign: Campaign, labels) -> None:
    common = ("sample", campaign.transcripts, "--verdicts", campaign.verdicts, "--design", "neyman")
    code, _, err = labels(*common, "-n", 30, "--out", "r2")
    assert code == 2
    assert "takes its pilot from --earlier DESIGN and --labels FILE" in err
    earlier = ("--earlier", campaign.design, "--labels", campaign.labels, "--round", 2)
    code, _, err = labels(*common, "-n", 30, *earlier, "--out", "r2")
    assert code == 0, err
    first = read_design(campaign.design)
    new = pd.read_csv("r2/design.csv").query("round == 2 and harm == @HARM", local_dict={"HARM": HARM})
    rates = pilot_rates(first, read_labels(campaign.labels), HARM)
    free = new[~new["transcript_id"].isin(first.loc[first["drawn"], "transcript_id"])].groupby("stratum").size()
    weight = free * [np.sqrt(rates[stratum] * (1 - rates[stratum])) for stratum in free.index]
    got = new.groupby("stratum")["drawn"].sum()
    assert (abs(got - 30 * weight / weight.sum()) <= 1).all()
    assert rates["flagged"] > 4 * rates["not flagged"]


def test_most_unlike_training_first(campaign: Campaign, labels) -> None:
    ids = [f"t{i:03}" for i in range(240)]
    pd.DataFrame({"transcript_id": ids, "unlikeness": range(240)}).to_csv("unlike.csv", index=False)
    common = ("sample", campaign.transcripts, "-n", 5, "--design", "most-unlike-training")
    assert labels(*common, "--unlikeness", "unlike.csv", "--out", "r1")[0] == 0
    tasks = json.loads(Path("r1/tasks.json").read_text())
    assert sorted(t["data"]["transcript_id"] for t in tasks) == ids[-5:]
    pd.DataFrame({"transcript_id": ids[:9], "unlikeness": range(9)}).to_csv("few.csv", index=False)
    code, _, err = labels(*common, "--unlikeness", "few.csv", "--out", "r2")
    assert (code, err.count("\n")) == (2, 1)
    assert "unlikeness must be a number, got nan for 't009'" in err
    code, _, err = labels(*common, "--unlikeness", campaign.labels, "--out", "r2")
    assert "needs 'unlikeness'" in err


def test_push_pull_adjudicate(campaign: Campaign, labels, fake: Fake) -> None:
    labels("sample", campaign.transcripts, "-n", 12, "--out", "round1")
    code, out, err = labels("push", "round1", "--title", "study")
    assert (code, out) == (0, "")
    assert "project 1 (study, blind): 12 tasks added, 0 were there" in err
    assert "0 tasks added, 12 were there" in labels("push", "round1")[2]
    yes = {"blackmail": "no", "deception": "no", "leaking": "yes"}
    for rater, said in ((2, yes), (3, yes | {"leaking": "no"})):
        fake.annotate(1, rater, said)
    assert "12 tasks: 6 new labels, 0 changed" in labels("pull", "round1")[2]
    code, _, err = labels("adjudicate", "round1")
    assert code == 0
    assert "to adjudicate: 1 tasks added, 0 were there" in err
    fake.annotate(13, 1, yes)
    assert "13 tasks: 3 new labels" in labels("pull", "round1")[2]
    consensus = read_labels("round1/labels.parquet").consensus().query("harm == 'leaking'")
    assert consensus[["y", "how"]].values.tolist() == [[1.0, "ground_truth"]]


def test_prelabel_and_redact(campaign: Campaign, labels, fake: Fake) -> None:
    labels("sample", campaign.transcripts, "-n", 12, "--out", "round1")
    code, _, err = labels("push", "round1", "--prelabel")
    assert code == 2
    assert "--prelabel shows raters the verdicts of --verdicts FILE" in err
    code, _, err = labels("push", "round1", "--prelabel", "--verdicts", campaign.verdicts, "--redact")
    assert code == 0, err
    assert "round1, pre-annotated" in err
    assert "replaced: 12 email" in err
    assert not any("@" in json.dumps(task["data"]["dialogue"]) for task in fake.tasks.values())


def test_a_rejected_token_is_one_line_without_the_token(
    campaign: Campaign, labels, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels("sample", campaign.transcripts, "-n", 12, "--out", "round1")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a-secret-that-is-wrong")
    for command in ("push", "pull", "adjudicate"):
        code, out, err = labels(command, "round1")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "token was rejected" in err or command != "push"
        assert "a-secret" not in err
    monkeypatch.delenv("LABEL_STUDIO_API_KEY")
    assert "LABEL_STUDIO_API_KEY" in labels("push", "round1")[2]


def test_import_adds_an_export_to_a_history(campaign: Campaign, labels) -> None:
    def write(*answers: tuple[int, int, str]) -> None:
        tasks = [
            {
                "id": task,
                "data": {"transcript_id": f"t{task:03}"},
                "annotations": [
                    {
                        "id": 10 * task + rater,
                        "completed_by": rater,
                        "updated_at": f"2026-01-01T00:00:0{len(said)}Z",
                        "result": [{"from_name": "verdict", "type": "choices", "value": {"choices": [said]}}],
                    }
                ],
            }
            for task, rater, said in answers
        ]
        Path("export.json").write_text(json.dumps(tasks))

    write((1, 7, "told"), (2, 7, "kept"))
    code, _, err = labels("import", "export.json", "--out", "all.parquet")
    assert code == 2
    assert "give a map" in err
    mapped = ("import", "export.json", "--map", "verdict:leaking=told", "--rest", "no", "--out", "all.parquet")
    assert "2 new labels, 0 changed, in all.parquet" in labels(*mapped)[2]
    assert "0 new labels, 0 changed" in labels(*mapped)[2]
    write((2, 7, "told"), (3, 8, "kept"))
    assert "1 new labels, 1 changed" in labels(*mapped)[2]
    consensus = read_labels("all.parquet").consensus().set_index("transcript_id")["y"]
    assert consensus.to_dict() == {"t001": 1.0, "t002": 1.0, "t003": 0.0}


def test_the_help_of_every_command(labels) -> None:
    from cli import app

    for command in ("config", "sample", "push", "pull", "import", "adjudicate"):
        result = CliRunner().invoke(app, ["labels", command, "--help"])
        assert result.exit_code == 0
        assert TOKEN not in result.stdout
