"""A sealed folder: any change of a file is found, and numbers follow from the files."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from calibration.study.seal import SEAL, changes, different_numbers, write_seal
from cli import app


@pytest.fixture
def sealed(tmp_path):
    folder = tmp_path / "report"
    (folder / "classifier").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("verdicts.parquet", "report.json", "classifier/heads.skops"):
        (folder / name).write_bytes(rng.bytes(300))
    write_seal(folder)
    return folder


def test_an_untouched_folder_has_no_changes_and_later_files_do_not_count(sealed):
    assert changes(sealed) == []
    (sealed / "store.sqlite").write_bytes(b"x")
    (sealed / "notes.txt").write_text("seen")
    assert changes(sealed) == []


def test_every_single_byte_that_changes_is_found(sealed):
    rng = np.random.default_rng(1)
    files = sorted(path for path in sealed.rglob("*") if path.is_file())
    for _ in range(300):
        file = files[rng.integers(len(files))]
        before = file.read_bytes()
        place = rng.integers(len(before))
        file.write_bytes(before[:place] + bytes([before[place] ^ int(rng.integers(1, 256))]) + before[place + 1 :])
        assert changes(sealed), f"{file} at {place}"
        file.write_bytes(before)
    assert changes(sealed) == []


@pytest.mark.parametrize("name", ["verdicts.parquet", SEAL])
def test_a_file_that_was_removed_is_named(sealed, name):
    (sealed / name).unlink()
    result = CliRunner().invoke(app, ["verify", str(sealed)])
    assert name in result.output and result.exit_code == (2 if name == SEAL else 1)


def test_numbers_are_compared_to_nine_digits():
    stated = {"rates": [{"low": 0.1, "notes": ["a"]}], "provenance": {"seed": 1}}
    assert different_numbers(stated, {"rates": [{"low": 0.1 + 1e-12, "notes": ["a"]}], "provenance": {}}) == []
    assert different_numbers(stated, {"rates": [{"low": None, "notes": ["a"]}]}) == [
        "rates[0].low: 0.1 stated, null computed"
    ]
    assert different_numbers(stated, {"rates": []}) != []


def test_a_number_that_was_changed_and_sealed_again_is_found(demonstration, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(demonstration[0] / "harmrate-demo", folder)
    result = CliRunner().invoke(app, ["verify", str(folder)])
    assert result.exit_code == 0 and result.stdout.startswith("verified")
    report = json.loads((folder / "report.json").read_text())
    report["rates"][0]["high"] = 0.25
    (folder / "report.json").write_text(json.dumps(report))
    assert changes(folder) == ["report.json was changed"]
    write_seal(folder)
    result = CliRunner().invoke(app, ["verify", str(folder), "--json"])
    assert result.exit_code == 1
    (line,) = json.loads(result.stdout)["differences"]
    assert line.startswith("rates[0].high: 0.25 stated")
