"""``harmrate grade --out DIR/``: a file of verdicts for each file of transcripts, as users meet it."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from messages_faults import ApiError
from messages_server import MessagesServer
from sharded import JUDGE, manifest, name_request, reply, rows, tables, write_shards
from typer.testing import CliRunner

from cli import app
from grader import read_verdicts
from grader.errors import InputError
from grader.shards.manifest import join_manifests, plan_shards, read_manifest


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.delenv("HARMRATE_STORE", raising=False)
    write_shards(Path("runs"))


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer(reply, name_request=name_request) as running:
        yield running


def harmrate(*parts: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(part) for part in parts])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout + result.stderr


def grade(server: MessagesServer, *options: object, inputs: tuple[object, ...] = ("runs",)) -> tuple[int, str]:
    return harmrate("grade", *inputs, "--judge", JUDGE, "--base-url", server.base_url, *options)


def test_a_file_for_each_file_and_the_verdicts_of_one_file(server: MessagesServer) -> None:
    assert grade(server, "--out", "v/", "--store", "a.sqlite")[0] == 0
    assert grade(server, "--out", "one.parquet", "--store", "b.sqlite")[0] == 0
    assert sorted(tables(Path("v"))) == [
        "a0.jsonl.verdicts.parquet",
        "a1.parquet.verdicts.parquet",
        "more/a2.jsonl.verdicts.parquet",
    ]
    shards = rows(read_verdicts(path) for path in Path("v").rglob("*.parquet"))
    pd.testing.assert_frame_equal(shards, rows([read_verdicts("one.parquet")]))
    for path in Path("v").rglob("*.parquet"):
        found = read_verdicts(path)
        assert found.equals(rows([found])), "each is sorted"
    told = manifest(Path("v"))
    assert (told["n_shards"], told["n_transcripts"], told["n_verdicts"]) == (3, 24, 72)
    assert told["outcomes"] == {"scored": 72} and told["failures"] == {}
    for record in told["shards"]:
        for name, digest in (("input", "input_sha256"), ("output", "output_sha256")):
            file = Path(record[name]) if name == "input" else Path("v") / record[name]
            assert hashlib.sha256(file.read_bytes()).hexdigest() == record[digest]


@pytest.mark.parametrize("left", ["manifest", "footers"])
def test_finished_shards_are_left_as_they_are(server: MessagesServer, left: str) -> None:
    assert grade(server, "--out", "v/")[0] == 0
    before = tables(Path("v"))
    if left == "footers":  # as after a kill: no manifest was written
        Path("v/manifest.json").unlink()
    Path(".harmrate/store.sqlite").unlink()
    server.requests.clear()
    code, told = grade(server, "--out", "v/")
    assert code == 0 and "0 graded now, 3 were finished" in told and not server.messages
    assert tables(Path("v")) == before and manifest(Path("v"))["n_verdicts"] == 72


def test_what_was_changed_is_graded_again_and_said(server: MessagesServer) -> None:
    assert grade(server, "--out", "v/")[0] == 0
    before = tables(Path("v"))
    lines = Path("runs/a0.jsonl").read_text().splitlines(keepends=True)
    Path("runs/a0.jsonl").write_text("".join(lines[:-1]))
    code, told = grade(server, "--out", "v/")
    assert code == 0 and "graded again: runs/a0.jsonl: its transcripts were changed" in told and "1 graded now" in told
    after = tables(Path("v"))
    assert {name for name in before if before[name] != after[name]} == {"a0.jsonl.verdicts.parquet"}
    assert manifest(Path("v"))["n_transcripts"] == 23
    code, told = grade(server, "--out", "v/", "--repeats", 2)
    assert code == 0 and told.count("graded again") == 3 and "'repeats': 2" in told
    code, told = grade(server, "--out", "v/", "--repeats", 2, "--per-harm")
    assert code == 0 and told.count("graded again") == 3 and f"graded by {JUDGE} {JUDGE}+" in told


def test_a_shard_that_cannot_be_read_is_named_and_the_others_are_kept(server: MessagesServer) -> None:
    whole = Path("runs/a1.parquet").read_bytes()
    Path("runs/a1.parquet").write_bytes(whole[: len(whole) // 2])
    code, told = grade(server, "--out", "v/")
    assert code == 2 and "no verdicts: runs/a1.parquet: " in told and told.count("Traceback") == 0
    assert sorted(tables(Path("v"))) == ["a0.jsonl.verdicts.parquet", "more/a2.jsonl.verdicts.parquet"]
    assert list(manifest(Path("v"))["failures"]) == ["runs/a1.parquet"]
    Path("runs/a1.parquet").write_bytes(whole)
    code, told = grade(server, "--out", "v/")
    assert code == 0 and "1 graded now, 2 were finished, 0 failed" in told and manifest(Path("v"))["failures"] == {}


def test_a_run_that_has_to_stop_leaves_whole_shards_and_goes_on_later(server: MessagesServer) -> None:
    answered = itertools.count()

    def until_the_money_is_gone(params):
        if next(answered) >= 12:
            raise ApiError(402, "billing_error", "spend limit")
        return reply(params)

    server.reply = until_the_money_is_gone
    code, told = grade(server, "--out", "v/", "--concurrency", 1)
    assert code == 1 and "spend limit" in told
    assert list(tables(Path("v"))) == ["a0.jsonl.verdicts.parquet"]
    assert sorted(manifest(Path("v"))["failures"]) == ["runs/a1.parquet", "runs/more/a2.jsonl"]
    server.reply = reply
    server.requests.clear()
    assert grade(server, "--out", "v/")[0] == 0
    assert len(server.messages) == 12, "what was answered is not paid for twice"
    assert grade(server, "--out", "w/", "--store", "other.sqlite")[0] == 0
    assert tables(Path("v")) == tables(Path("w"))


def test_what_is_wrong_with_every_shard_ends_the_run_at_the_first(server: MessagesServer) -> None:
    def refuse(_):
        raise ApiError(401, "authentication_error", "invalid x-api-key")

    server.reply = refuse
    code, told = grade(server, "--out", "v/", "--concurrency", 1)
    assert code == 2 and "harmrate: the API key was refused" in told and len(server.messages) == 1
    assert tables(Path("v")) == {} and len(manifest(Path("v"))["failures"]) == 3
    code, told = harmrate("grade", "runs", "--out", "v/", "--keyword-gate", "--scenario-from", "office")
    assert code == 2 and told.splitlines()[-1].endswith("has no metadata 'office' to name its scenario")


def test_machines_that_share_the_work_make_what_one_makes(server: MessagesServer) -> None:
    assert grade(server, "--out", "whole/")[0] == 0
    for part in ("2/2", "1/2"):  # each in a folder of its own, and both in one
        assert grade(server, "--out", f"part{part[0]}/", "--part", part, "--store", f"{part[0]}.sqlite")[0] == 0
        assert grade(server, "--out", "both/", "--part", part, "--store", f"{part[0]}.sqlite")[0] == 0
    assert len(tables(Path("part1"))) == 2 and len(tables(Path("part2"))) == 1
    shutil.copytree("part1", "joined")
    shutil.copytree("part2", "joined", dirs_exist_ok=True)
    whole = read_manifest("whole")
    for folder in ("both", "joined"):
        assert tables(Path(folder)) == tables(Path("whole"))
        assert read_manifest(folder).records == whole.records and read_manifest(folder).failures == {}
    assert grade(server, "--out", "joined/")[1].count("3 were finished") == 1
    halves = [read_manifest("part1"), read_manifest("part2")]
    assert join_manifests(halves) == join_manifests(halves[::-1])


def test_from_object_storage_to_object_storage(server: MessagesServer) -> None:
    bucket = fsspec.filesystem("memory")
    bucket.store.clear()
    for path in (p for p in Path("runs").rglob("*") if p.is_file()):
        bucket.pipe(f"/b/{path.as_posix()}", path.read_bytes())
    assert grade(server, "--out", "memory://b/v", inputs=("memory://b/runs",))[0] == 0
    assert grade(server, "--out", "v/")[0] == 0
    remote = rows(pd.read_parquet(bucket.open(name)) for name in bucket.glob("/b/v/**/*.parquet"))
    local = rows(pd.read_parquet(path) for path in Path("v").rglob("*.parquet"))
    pd.testing.assert_frame_equal(remote, local)
    server.requests.clear()
    code, told = grade(server, "--out", "memory://b/v", inputs=("memory://b/runs",))
    assert code == 0 and "3 were finished" in told and not server.messages
    bucket.store.clear()


def test_what_shards_cannot_be_is_refused_in_one_line(server: MessagesServer) -> None:
    shutil.copytree("runs", "again")
    for parts, said in (
        (("--out", "v/", "--part", "3/2"), "--part must read K/N"),
        (("--out", "v.parquet", "--engine", "ray"), "name a folder, --out DIR/"),
        (("--out", "v.parquet", "--part", "1/2"), "name a folder, --out DIR/"),
        (("again", "--out", "v/"), "again/a0.jsonl: has the name of runs/a0.jsonl: name a folder above both"),
        (("-", "--out", "v/"), "save standard input"),
    ):
        code, told = grade(server, *parts)
        assert code == 2 and said in told and len(told.splitlines()) == 1, told


def test_names_do_not_depend_on_how_files_are_named() -> None:
    whole = plan_shards(["runs"])
    assert plan_shards(["runs/"]) == whole == plan_shards(["runs/more/../more/..", "runs/**/*.*"][1:])
    assert plan_shards(["runs/a*"]) == whole[:2]
    assert plan_shards(["runs/a1.parquet"]) == whole[1:2]
    assert plan_shards(["runs"], part=(1, 2)) + plan_shards(["runs"], part=(2, 2)) == [whole[0], whole[2], whole[1]]


def test_an_object_whose_name_leads_out_of_the_folder_is_refused() -> None:
    bucket = fsspec.filesystem("memory")
    bucket.store.clear()
    bucket.pipe("/b/runs/../../a.jsonl", Path("runs/a0.jsonl").read_bytes())
    with pytest.raises(InputError, match=r"would lead out of the folder"):
        plan_shards(["memory://b/runs"])
    bucket.store.clear()


def test_shards_of_an_earlier_time_give_way_to_later_ones(server: MessagesServer) -> None:
    assert grade(server, "--out", "v/", "--part", "1/1")[0] == 0
    first = read_manifest("v")
    assert grade(server, "--out", "v/", "--repeats", 2)[0] == 0
    later = read_manifest("v")
    for order in itertools.permutations([first, later]):
        assert join_manifests(order).records == later.records
    told = json.loads(later.to_json())
    assert told["shards"] == sorted(told["shards"], key=lambda shard: shard["output"])


def found(*parts: object) -> dict[str, object]:
    result = CliRunner().invoke(app, [str(part) for part in parts])
    assert result.exit_code == 0, result.stderr
    told: dict[str, object] = json.loads(result.stdout)
    return told


def test_rates_agreement_and_differences_are_those_of_one_table(server: MessagesServer) -> None:
    assert grade(server, "--out", "v/")[0] == 0
    assert grade(server, "--out", "one.parquet")[0] == 0
    ids = [f"t{i}" for i in range(0, 24, 2)]
    lines = [f"{id_},blackmail,ana,{int(int(id_[1:]) % 3 == 0)}" for id_ in ids]
    Path("labels.csv").write_text("transcript_id,harm,rater,label\n" + "\n".join(lines) + "\n")
    labelled = ("--labels", "labels.csv", "--design", "uniform", "--harm", "blackmail", "--json")
    for command, *options in (("rate", "--by", "scenario"), ("agreement",), ("compare", "--between", "scenario")):
        shards = found(command, "--verdicts", "v/", *labelled, *options)
        table = found(command, "--verdicts", "one.parquet", *labelled, *options)
        for part in ("rates", "agreement", "comparisons"):
            for one, other in zip(shards.get(part, []), table.get(part, []), strict=True):
                assert one.keys() == other.keys()
                for key in ("harm", "group", "rate", "low", "high", "value", "difference", "p_value", "n_labeled"):
                    assert one.get(key) == pytest.approx(other.get(key), nan_ok=True), (command, part, key)
        assert shards.get("rates") or shards.get("agreement")


def test_rates_say_which_shards_are_missing_and_refuse_those_that_changed(server: MessagesServer) -> None:
    Path("runs/a0.jsonl").write_text("no log\n")
    assert grade(server, "--out", "v/")[0] == 2
    code, told = harmrate("rate", "--verdicts", "v", "--harm", "blackmail")
    assert code == 0 and "INCOMPLETE: 1 shards have no verdicts" in told and "runs/a0.jsonl" in told
    table = Path("v/more/a2.jsonl.verdicts.parquet")
    read_verdicts(table).assign(present=True).to_parquet(table)
    code, told = harmrate("rate", "--verdicts", "v", "--harm", "blackmail")
    assert code == 2 and "more/a2.jsonl.verdicts.parquet: was changed after it was graded" in told
    table.unlink()
    code, told = harmrate("rate", "--verdicts", "v", "--harm", "blackmail")
    assert code == 2 and "is missing, though the manifest names it" in told


def test_transcripts_never_count_twice_nor_by_two_versions_of_a_judge(server: MessagesServer) -> None:
    shutil.copy("runs/a0.jsonl", "runs/b0.jsonl")
    assert grade(server, "--out", "v/")[0] == 0
    code, told = harmrate("rate", "--verdicts", "v")
    assert code == 2 and "b0.jsonl.verdicts.parquet: holds the transcripts of a0.jsonl" in told
    assert grade(server, "--out", "w/", inputs=("runs/a0.jsonl",))[0] == 0
    assert grade(server, "--out", "w/", "--per-harm", inputs=("runs/a1.parquet",))[0] == 0
    code, told = harmrate("rate", "--verdicts", "w")
    assert code == 2 and told.endswith(": grade again\n")
