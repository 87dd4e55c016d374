"""Inputs that went wrong once, and what is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import Transcript, read_transcripts
from grader.errors import InputError
from grader.failed_runs import run_failure
from grader.readers.ledger import COPY, UNREADABLE, ReadingLedger

Read = Callable[..., tuple[list[Transcript], ReadingLedger]]


@pytest.fixture
def case(samples: Path) -> Read:
    def read(name: str, **options: object) -> tuple[list[Transcript], ReadingLedger]:
        ledger = ReadingLedger()
        return list(read_transcripts(samples / "cases" / "transcripts" / name, ledger=ledger, **options)), ledger

    return read


def words(transcript: Transcript, role: str = "assistant") -> str:
    return "\n".join(m.text for m in transcript.messages if m.role == role)


def outcomes(transcripts: list[Transcript]) -> list[str]:
    return [failure[0] if (failure := run_failure(t)) else "graded" for t in transcripts]


def test_one_leak_in_every_shape_is_the_agents(case: Read) -> None:
    transcripts, _ = case("one-leak-many-shapes")
    silent = {"err", "cf"}
    leaks = [t for t in transcripts if "rival@example.com" in words(t) and "the secret plan" in words(t)]
    assert {t.id for t in transcripts} - {t.id for t in leaks} == silent | {"n2"}  # its second choice leaks
    assert [o for t, o in zip(transcripts, outcomes(transcripts), strict=True) if t.id in silent] == [
        "cannot_assess"
    ] * 2


def test_each_choice_is_a_transcript_of_one_episode(case: Read) -> None:
    transcripts, _ = case("choices-many")
    assert [(t.id, words(t), t.metadata["episode"]) for t in transcripts] == [
        ("c1", "fine", "c1"),
        ("c1#choice=2", "I leaked it", "c1"),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("content-filter", ["cannot_assess", "cannot_assess", "graded", "cannot_assess"]),
        ("null-content", ["cannot_assess", "graded", "cannot_assess", "cannot_assess", "cannot_assess"]),
        ("reply-null/a.jsonl", ["graded", "cannot_assess", "cannot_assess", "graded"]),
        ("reply-null/b.csv", ["graded", "cannot_assess", "graded"]),
        ("provider-errors", ["cannot_assess"] * 12),
        ("anthropic-batch", ["cannot_assess"] * 4 + ["graded"]),
        ("inspect-error-no-messages/log.json", ["graded", "cannot_assess"]),
        ("one-bad-record", ["graded"] * 3 + ["not_graded"] + ["graded"] * 3),
        ("truncated-live", ["graded", "not_graded"]),
        ("roles", ["graded", "graded", "graded", "not_graded"]),
    ],
)
def test_runs_without_a_word_of_the_agent_and_bad_records_are_outcomes(
    case: Read, name: str, expected: list[str]
) -> None:
    transcripts, ledger = case(name)
    assert outcomes(transcripts) == expected
    assert ledger.not_used[UNREADABLE] == expected.count("not_graded")
    assert ledger.read == ledger.used + ledger.not_used.total()


@pytest.mark.parametrize("name", ["one-bad-record", "truncated-live", "roles", "empty-file", "inspect-retry"])
def test_strict_refuses_what_is_otherwise_noted(case: Read, name: str) -> None:
    with pytest.raises(InputError):
        case(name, on_bad="refuse")


def test_the_same_sample_in_two_logs_counts_once_and_the_newer_attempt_counts(case: Read) -> None:
    transcripts, ledger = case("inspect-retry")
    assert [(t.id, t.metadata["sample_id"]) for t in transcripts] == [("uuidA", "a"), ("uuidC", "b")]
    assert ledger.not_used[COPY] == 2 and len(ledger.notes) == 2
    transcripts, _ = case("inspect-folder")
    assert len(transcripts) == 6


def test_companions_are_skipped_by_name_and_strange_files_noted(case: Read) -> None:
    assert [t.id for t in case("inspect-dir-companions")[0]] == ["u1"]
    assert [t.id for t in case("folder-with-companions")[0]] == ["run/a.traj"]
    transcripts, ledger = case("empty-file")
    assert [t.id for t in transcripts] == ["x"] and len(ledger.notes) == 2
    with pytest.raises(InputError, match="is empty"):
        case("empty-file/b.jsonl")


def test_equal_ids_name_their_remedy(case: Read) -> None:
    with pytest.raises(InputError, match="--id-from path"):
        case("same-ids")
    transcripts, _ = case("same-ids", id_from="path")
    assert [t.id for t in transcripts] == [f"model-{m}.jsonl:{n}" for m in "ab" for n in (1, 2, 3)]
    assert [t.metadata["record_id"] for t in transcripts] == ["0", "1", "2"] * 2


def test_pictures_are_placeholders_with_type_and_size(case: Read) -> None:
    for name in ("responses", "inspect-multimodal", "anthropic-server-tools"):
        transcripts, ledger = case(name)
        assert ledger.not_used.total() == 0
        assert max(len(m.text) for t in transcripts for m in t.messages) < 20_000
    texts = [m.text for t in case("inspect-multimodal")[0] for m in t.messages]
    assert "[image] (image/png, 29 kB)" in texts


@pytest.mark.parametrize("name", ["messages-as-string", "hf-parquet/string.parquet", "csv/messages.csv"])
def test_messages_as_text_are_read_in_every_container(case: Read, name: str) -> None:
    transcripts, ledger = case(name)
    assert ledger.not_used.total() == 0 and all(t.messages for t in transcripts)


def test_a_reply_in_any_field_is_the_agents(case: Read) -> None:
    transcripts, ledger = case("output-key-conflict")
    assert [words(t) for t in transcripts] == ["I leaked it"] * 9 and ledger.not_used.total() == 0


def test_an_agent_called_prefill_is_no_auditor(case: Read) -> None:
    (transcript,), _ = case("usernames")
    assert "Real agent words" in words(transcript) and "prefill" not in transcript.metadata


def test_two_replies_that_differ_are_refused_with_their_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"prompt": "q", "response": "No.", "output": "I leaked it"}))
    with pytest.raises(InputError, match="output: a reply that differs from the one in 'response'"):
        list(read_transcripts(path))


def test_thoughts_beside_a_reply_are_reasoning(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"prompt": "q", "response": "No.", "reasoning": "I could leak it."}))
    (transcript,) = read_transcripts(path)
    assert [(m.kind, m.text) for m in transcript.messages[1:]] == [("reasoning", "I could leak it."), ("text", "No.")]


def test_facts_come_from_paths(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "gpt" / "mail" / "7.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"messages": [{"role": "assistant", "content": "Hi"}]}))
    pattern = "{model}/{scenario}/{id}.json"
    (transcript,) = read_transcripts(tmp_path / "runs", path_pattern=pattern)
    assert (transcript.id, transcript.metadata["model"], transcript.metadata["scenario"]) == ("7", "gpt", "mail")
    with pytest.raises(InputError, match="does not fit --path-pattern"):
        list(read_transcripts(tmp_path / "runs", path_pattern="{model}/{scenario}/{arm}/{epoch}/{id}.json"))


def test_ids_of_files_do_not_depend_on_how_the_folder_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "runs" / "deep" / "a.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"messages": [{"role": "assistant", "content": "Hi"}]}))
    monkeypatch.chdir(tmp_path)
    for typed in ("runs", "./runs/", tmp_path / "runs", "runs/**/*.jsonl"):
        assert [t.id for t in read_transcripts(typed)] == ["deep/a.jsonl:1"]


def test_a_strange_file_in_a_folder_is_noted_and_a_named_one_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "messages": [{"role": "assistant", "content": "Hi"}]}))
    (tmp_path / "prices.json").write_text('{"price": 3}')
    ledger = ReadingLedger()
    assert [t.id for t in read_transcripts(tmp_path, ledger=ledger)] == ["a"]
    assert len(ledger.notes) == 1 and "prices.json" in ledger.notes[0]
    for refused, options in ((tmp_path / "prices.json", {}), (tmp_path, {"on_bad": "refuse"})):
        with pytest.raises(InputError, match="cannot tell the format: a record of keys price fits none of"):
            list(read_transcripts(refused, **options))
