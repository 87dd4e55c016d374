"""A folder of verdict shards that somebody sent: its manifest is checked before anything is read by it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from durability_writers import verdicts
from typer.testing import CliRunner

from cli import app
from grader import write_verdicts
from grader.errors import InputError
from grader.shards.manifest import Manifest, ShardRecord, outputs_in, plan_shards


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "verdicts"
    made.mkdir()
    write_verdicts(verdicts(1), made / "a.parquet")
    record = ShardRecord(
        input="a", output="a.parquet", input_sha256="0", input_mark=None, n_transcripts=40, n_verdicts=40,
        outcomes={"scored": 40}, graders=[{"name": "g", "version": "1", "kind": "rule"}], settings={},
        output_sha256=hashlib.sha256((made / "a.parquet").read_bytes()).hexdigest(),
    )  # fmt: skip
    (made / "manifest.json").write_text(Manifest(records={"a.parquet": record}).to_json())
    return made


def forge(folder: Path, **changes: Any) -> None:
    file = folder / "manifest.json"
    told = json.loads(file.read_text())
    told["shards"][0] |= changes
    file.write_text(json.dumps(told))


def test_what_was_not_touched_is_read(folder: Path) -> None:
    assert list(outputs_in(str(folder))) == [f"{folder}/a.parquet"]


@pytest.mark.parametrize("output", ["../outside.parquet", "x/../../outside.parquet", ".."])
def test_a_shard_outside_the_folder_is_refused(folder: Path, output: str) -> None:
    write_verdicts(verdicts(1), folder.parent / "outside.parquet")
    forge(folder, output=output)
    with pytest.raises(InputError, match="would lead out of the folder"):
        outputs_in(str(folder))


@pytest.mark.parametrize(
    "name", ["output", "input", "input_sha256", "n_transcripts", "n_verdicts", "outcomes", "graders"]
)
@pytest.mark.parametrize("value", [None, -1.5, [], {"a": []}, "x", [["x"]]])
def test_forged_records_end_in_one_line(folder: Path, name: str, value: Any) -> None:
    forge(folder, **{name: value})
    result = CliRunner().invoke(app, ["rate", "--verdicts", str(folder), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 2) and "Traceback" not in result.stderr


def test_no_input_leads_an_output_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "t.jsonl").write_text("{}")
    for named in ("runs/../t.jsonl", f"{tmp_path}/runs/../t.jsonl", f"{tmp_path}/r*/../t.jsonl"):
        try:
            shards = plan_shards([named])
        except InputError:
            continue
        assert all(".." not in Path(s.output).parts and not Path(s.output).is_absolute() for s in shards)
