"""A study written down: `init` looks at files, `run` follows what it wrote, and the report tells what was changed."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from campaign import Campaign, write_campaign
from typer.testing import CliRunner

from cli import app

FIXED = "Fixed in advance, on "


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Campaign:
    return write_campaign(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARMRATE_STORE", raising=False)


def harmrate(*args: object, answers: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in args], input=answers)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def written(path: str = "harmrate.toml") -> dict[str, dict[str, object]]:
    return tomllib.loads(Path(path).read_text())


def test_init_finds_out_what_each_file_is(campaign):
    code, _, err = harmrate("init", campaign.transcripts, campaign.verdicts, campaign.labels, campaign.design)
    assert code == 0, err
    inputs = written()["inputs"]
    assert {name: Path(str(inputs[name])).resolve() for name in ("verdicts", "labels", "design")} == {
        "verdicts": campaign.verdicts,
        "labels": campaign.labels,
        "design": campaign.design,
    }
    assert [Path(p).resolve() for p in inputs["transcripts"]] == [campaign.transcripts]
    assert written()["study"]["by"] == ["arm"], "the transcripts are of two arms and one model"
    assert "240 labels" in err and "Nothing was fixed in advance" in err


def test_init_asks_when_it_is_given_nothing(campaign):
    code, _, err = harmrate("init", answers=f"{campaign.transcripts}\n\n{campaign.labels}\n\n")
    assert code == 0, err
    assert set(written()["inputs"]) == {"transcripts", "labels"}


def test_init_knows_label_studio_exports():
    study = Path(__file__).parents[3] / "examples" / "study"
    code, _, err = harmrate("init", study / "transcripts.jsonl", study / "labels.json", study / "design.csv")
    assert code == 0, err
    assert Path(str(written()["inputs"]["labels"])).name == "labels.json"
    assert Path(str(written()["inputs"]["design"])).name == "design.csv"


def test_run_follows_the_file_and_tells_what_was_changed_after_labels_were_seen(campaign):
    assert harmrate("init", campaign.transcripts, campaign.verdicts)[0] == 0
    parts = written()
    lines = [
        "[inputs]",
        f"transcripts = {json.dumps([str(campaign.transcripts)])}",
        f"verdicts = {json.dumps(str(campaign.verdicts))}",
        f"labels = {json.dumps(str(campaign.labels))}",
        f"design = {json.dumps(str(campaign.design))}",
        "[study]",
        f"by = {json.dumps(parts['study']['by'])}",
        "level = 0.95",
        "[report]",
        'out = "report"',
        'train = "never"',
    ]
    Path("harmrate.toml").write_text("\n".join(lines))
    code, out, err = harmrate("run", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert {tuple(r["group"].items()) for r in report["rates"]} == {(("arm", "a"),), (("arm", "b"),)}
    kept = [n for n in json.loads(Path("report/report.json").read_text())["notes"] if n.startswith(FIXED)]
    assert len(kept) == 1 and "confidence_level" in kept[0] and "by" in kept[0]

    assert harmrate("run", "--level", "0.9", "--json")[0] == 0, "the command line overrides the file"
    notes = json.loads(Path("report/report.json").read_text())["notes"]
    changed = [n for n in notes if n.startswith("Changed after labels were seen")]
    assert len(changed) == 1 and "confidence_level from 0.95 to 0.9" in changed[0]
    assert harmrate("report", "report")[0] == 0
    again = json.loads(Path("report/report.json").read_text())["notes"]
    assert changed[0] in again, "computed again, the report still tells"


def test_other_commands_follow_a_named_file(campaign):
    assert harmrate("init", campaign.transcripts, campaign.verdicts, campaign.labels, campaign.design)[0] == 0
    code, out, err = harmrate("rate", "--study", "harmrate.toml", "--json")
    assert code == 0, err
    assert len(json.loads(out)["rates"]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[study]\nlevle = 0.9\n", "[study]: no option 'levle'"),
        ("[stduy]\nlevel = 0.9\n", "'stduy' is no table of a study"),
        ("level 0.9", "cannot be read as TOML"),
        ("[study]\nlevel = 0.9\n[report]\nlevel = 0.9\n", "'level' stands twice"),
    ],
)
def test_a_bad_study_file_is_refused_in_one_line(text, said):
    Path("harmrate.toml").write_text(text)
    code, out, err = harmrate("run", "--study", "harmrate.toml")
    assert (code, out) == (2, "")
    assert said in err and "harmrate.toml" in err and len(err.strip().splitlines()) == 1


def test_init_keeps_a_file_that_is_there(campaign):
    Path("harmrate.toml").write_text("# mine\n")
    code, _, err = harmrate("init", campaign.transcripts)
    assert code == 2 and "--force" in err
    assert Path("harmrate.toml").read_text() == "# mine\n"
    assert harmrate("init", campaign.transcripts, "--force")[0] == 0


def test_a_damaged_history_is_named(campaign):
    Path("harmrate.history.jsonl").write_text('{"at": 1}\n')
    code, _, err = harmrate("init", campaign.transcripts)
    assert code == 2 and "harmrate.history.jsonl: line 1" in err
