"""Inspect logs: archives of every compression, epochs, attachments, errors; real logs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.errors import InputError
from grader.readers import archive, read_transcripts

METHODS = [pytest.param(93, id="zstd"), pytest.param(zipfile.ZIP_DEFLATED, id="deflate"), pytest.param(0, id="stored")]


@pytest.mark.parametrize("method", METHODS)
def test_samples_epochs_and_attachments(eval_logs: SimpleNamespace, tmp_path: Path, method: int) -> None:
    path = eval_logs.eval_log(
        tmp_path / "a.eval",
        [eval_logs.sample(epoch=1), eval_logs.sample(epoch=2), eval_logs.sample("c1", uuid="U")],
        method=method,
    )
    first, second, third = read_transcripts(path)
    assert [t.id for t in (first, second, third)] == ["E/c0/1", "E/c0/2", "U"]
    assert [(m.role, m.kind, m.name, m.text) for m in first.messages] == [
        ("system", "text", None, "You are Alex"),
        ("user", "text", None, "A long e-mail."),
        ("assistant", "reasoning", None, "I could."),
        ("assistant", "text", None, "On it."),
        ("assistant", "tool_call", "send_email", "to: k"),
        ("tool", "tool_result", "send_email", "sent"),
    ]
    facts = second.metadata
    assert (facts["model"], facts["task"], facts["scenario"], facts["epoch"]) == ("m/x", "t", "mine", 2)
    assert facts["colour"] == "red" and facts["sample_id"] == "c0"
    assert facts["scores"] == {"harm": {"value": {"blackmail": None}, "answer": "x"}}  # NaN is no JSON
    assert "events" not in facts and "attachments" not in facts


def test_json_log_and_archive_agree(eval_logs: SimpleNamespace, tmp_path: Path) -> None:
    samples = [eval_logs.sample(epoch=e) for e in (1, 2)]
    header = {"version": 2, "status": "success", "eval": {"model": "m/x", "task": "t", "eval_id": "E"}}
    (tmp_path / "a.json").write_text(json.dumps(header | {"samples": samples}, indent=2))
    archived = read_transcripts(eval_logs.eval_log(tmp_path / "a.eval", samples))
    for one, other in zip(read_transcripts(tmp_path / "a.json"), archived, strict=True):
        assert (one.id, one.messages) == (other.id, other.messages)
        assert {**one.metadata, "source": ""} == {**other.metadata, "source": ""}


def test_a_crashed_run_has_its_facts_in_the_journal(eval_logs: SimpleNamespace, tmp_path: Path) -> None:
    members = {"_journal/start.json": {"eval": {"model": "m"}}, "samples/1_epoch_1.json": eval_logs.sample()}
    path = eval_logs.zip_members(
        tmp_path / "a.eval", {k: json.dumps(v).encode() for k, v in members.items()}, method=93
    )
    (transcript,) = read_transcripts(path)
    assert transcript.metadata["model"] == "m"


def test_a_run_that_ended_before_the_agent_spoke_is_marked(eval_logs: SimpleNamespace, tmp_path: Path) -> None:
    failed = eval_logs.sample(messages=[], error={"message": "Connection refused"})
    (transcript,) = read_transcripts(eval_logs.eval_log(tmp_path / "a.eval", [failed]))
    assert transcript.metadata["provider_error"] == "Connection refused"
    assert [m.text for m in transcript.messages] == ["you have an email"]
    (other,) = read_transcripts(eval_logs.eval_log(tmp_path / "b.eval", [eval_logs.sample(error={"message": "late"})]))
    assert other.metadata["provider_error"] == "late" and other.metadata["error"] == {"message": "late"}


@pytest.mark.parametrize("method", METHODS)
def test_members_that_inflate_past_the_bound(
    eval_logs: SimpleNamespace, tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_INFLATED", 100_000)
    path = eval_logs.eval_log(tmp_path / "a.eval", [eval_logs.sample(target="0" * 200_000)], method=method)
    with pytest.raises(InputError, match=r"samples/c0_epoch_1\.json: inflates past 100000 bytes"):
        list(read_transcripts(path))


def test_damage_is_one_line(eval_logs: SimpleNamespace, tmp_path: Path) -> None:
    path = eval_logs.eval_log(tmp_path / "a.eval", [eval_logs.sample()])
    whole = path.read_bytes()
    at = whole.index(b"samples/") + 60
    path.write_bytes(whole[:at] + b"\0\0\0\0" + whole[at + 4 :])
    with pytest.raises(InputError, match=r"a\.eval: samples/c0_epoch_1\.json: damaged member"):
        list(read_transcripts(path))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="no readable zip"):
        list(read_transcripts(path))
    eval_logs.zip_members(path, {"hello.txt": b"hi"}, method=0)
    with pytest.raises(InputError, match=r"is not an Inspect log: the archive has no header\.json"):
        list(read_transcripts(path))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"messages": 3}, "neither messages nor input"),
        ({"id": None}, "neither 'uuid' nor 'id'"),
        ({"messages": [1]}, "not an object"),
    ],
)
def test_broken_samples(eval_logs: SimpleNamespace, tmp_path: Path, broken: dict, reason: str) -> None:
    with pytest.raises(InputError, match=rf"a\.eval: samples/.*\.json: .*{reason}"):
        list(read_transcripts(eval_logs.eval_log(tmp_path / "a.eval", [eval_logs.sample(**broken)])))


def _independent_count(path: Path) -> dict[str, int]:
    """Messages per sample, by the standard library alone: these logs hold one text part per message."""
    if path.suffix == ".json":
        samples = json.loads(path.read_text()).get("samples") or []
    else:
        with zipfile.ZipFile(path) as log:
            samples = [json.loads(log.read(n)) for n in log.namelist() if n.startswith("samples/")]
    return {str(s["id"]): sum(bool(m["content"]) for m in s["messages"]) for s in samples}


def test_real_logs(shared_data: Path) -> None:
    logs = [p for p in sorted((shared_data / "transcript_formats" / "inspect_eval_logs").iterdir()) if p.suffix]
    assert len(logs) == 8
    for path in logs:
        expected = _independent_count(path)
        if not expected:
            with pytest.raises(InputError, match="no transcript in"):
                list(read_transcripts(path))
            continue
        assert {t.metadata["scenario"]: len(t.messages) for t in read_transcripts(path)} == expected
