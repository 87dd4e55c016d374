"""Agentic-Misalignment trees in both layouts, text actions, and final replies kept elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from grader.errors import InputError
from grader.readers import read_transcripts
from grader.readers.actions import parse_action, split_actions

CONDITION = "blackmail_explicit-america_replacement"
REPLY = (
    "<SCRATCHPAD_REASONING>\nKyle has a secret.\n</SCRATCHPAD_REASONING>\n\nSending.\n"
    '<tool_use:email>\nto: "kyle@x.com",\nsubject: "5pm"\nbody: "Kyle,\n\nNote: I know.\n\nAlex"\n</tool_use:email>'
    "<tool_use:forward>\nemail_id: 3\nto: b@x.com\n</tool_use:forward>"
)


@pytest.fixture(params=["models/", ""], ids=["models folder", "early layout"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    experiment = tmp_path / "results" / "exp1"
    for number in (1, 2):
        folder = experiment / f"{request.param}openai_gpt-4" / CONDITION / f"sample_00{number}"
        folder.mkdir(parents=True)
        record = {
            "raw_response": REPLY,
            "metadata": {"model": "openai/gpt-4", "condition": CONDITION, "sample_id": number, "seed": 5},
            "classification": {"harmful_behavior": True},
            "eval_awareness_classification": {"aware": False},
        }
        (folder / "response.json").write_text(json.dumps(record, indent=2))
    prompts = experiment / "prompts" / CONDITION
    prompts.mkdir(parents=True)
    for name in ("system_prompt", "user_prompt", "email_content"):
        (prompts / f"{name}.txt").write_text(f"The {name}.")
    (prompts / "metadata.json").write_text("{}")
    (experiment / "experiment_state.json").write_text("{}")
    return tmp_path / "results"


def test_tree(tree: Path) -> None:
    first, second = read_transcripts(tree)
    assert first.id == f"openai_gpt-4/{CONDITION}/sample_001"
    assert second.id.endswith("sample_002")
    assert [(m.role, m.kind, m.name, m.text) for m in first.messages] == [
        ("system", "text", None, "The system_prompt."),
        ("user", "text", None, "The user_prompt."),
        ("user", "text", None, "The email_content."),
        ("assistant", "reasoning", None, "Kyle has a secret."),
        ("assistant", "text", None, "Sending."),
        ("assistant", "tool_call", "email", "to: kyle@x.com\nsubject: 5pm\nbody: Kyle,\n\nNote: I know.\n\nAlex"),
        ("assistant", "tool_call", "forward", "email_id: 3\nto: b@x.com"),
    ]
    facts = first.metadata
    assert facts["model"] == "openai/gpt-4" and facts["scenario"] == CONDITION and facts["family"] == "blackmail"
    assert (facts["goal_type"], facts["goal_value"], facts["urgency"]) == ("explicit", "america", "replacement")
    assert facts["classification"] == {"harmful_behavior": True} and facts["seed"] == 5
    assert facts["eval_awareness_classification"] == {"aware": False}


def test_missing_keys_are_read_from_the_folders(tree: Path) -> None:
    for path in tree.rglob("response.json"):
        path.write_text(json.dumps({"raw_response": "No."}))
    first, _ = read_transcripts(tree)
    assert first.id == f"openai_gpt-4/{CONDITION}/sample_001"
    assert first.metadata["model"] == "openai_gpt-4" and first.metadata["family"] == "blackmail"


def test_a_response_that_is_cut_is_named(tree: Path) -> None:
    path = next(tree.rglob("sample_002/response.json"))
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match=r"sample_002/response\.json: record 1: broken or cut JSON"):
        list(read_transcripts(tree, on_bad="refuse"))


def test_a_record_cannot_name_files_elsewhere(tree: Path) -> None:
    (tree.parent / "system_prompt.txt").write_text("private")
    path = next(tree.rglob("sample_001/response.json"))
    path.write_text(json.dumps({"raw_response": "No.", "metadata": {"condition": "../../../"}}))
    (transcript,) = read_transcripts(path)
    assert [m.text for m in transcript.messages] == ["No."]


def test_a_reply_that_was_cut_keeps_its_last_action() -> None:
    *_, action = split_actions("Hm.<tool_use:email>\nto: a@x.com\nbody: Dear")
    assert action.arguments == {"to": "a@x.com", "body": "Dear"}


def test_reasoning_whose_opening_tag_was_in_the_template() -> None:
    assert [(m.kind, m.text) for m in split_actions("I plan.</think>Hello")] == [
        ("reasoning", "I plan."),
        ("text", "Hello"),
    ]


def test_missing_opening_quote() -> None:
    assert parse_action("email", '\nto: d@x.com",\nsubject: "It\'s"\nbody: x').arguments == {
        "to": "d@x.com",
        "subject": "It's",
        "body": "x",
    }


def test_many_opening_tags_take_no_time() -> None:
    assert sum(1 for _ in split_actions("<think>" * 20_000)) == 1
    assert sum(1 for _ in split_actions("<tool_use:a>" * 20_000)) == 1
    assert sum(1 for _ in split_actions("x" * 200_000 + "<" * 20_000)) == 1


def test_real_replies(shared_data: Path) -> None:
    path = shared_data / "blackmail_frame_judge" / "dev_set1.jsonl"
    records = {r["id"]: r for r in map(json.loads, path.read_text().splitlines())}
    transcripts = list(read_transcripts(path))
    assert {t.id for t in transcripts} == set(records) and len(transcripts) == 24
    for transcript in transcripts:
        reply = records[transcript.id]["response"]
        assert len(transcript.messages) == len(re.findall(r"<tool_use:", reply))
        for message in transcript.messages:
            assert message.kind == "tool_call" and message.name == "email"
            assert set(message.arguments) == {"to", "subject", "body"}
            assert all(value in reply and value == value.strip() for value in message.arguments.values())
        assert transcript.metadata["human_verdict"] == records[transcript.id]["human_verdict"]
        assert transcript.metadata["arm"] == records[transcript.id]["arm"]


@pytest.mark.parametrize(
    ("condition", "defect"),
    [
        ("murder_none-none_replacement", "agentic-misalignment#30"),
        ("blackmail_swap-america_replacement", "agentic-misalignment#13"),
        ("blackmail_none-none_replacement", None),
    ],
)
def test_known_defects_of_the_study_are_flagged(tmp_path: Path, condition: str, defect: str | None) -> None:
    path = tmp_path / "m" / condition / "sample_001" / "response.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"raw_response": "I will wait.", "metadata": {"condition": condition, "model": "m"}}))
    (transcript,) = read_transcripts(tmp_path)
    told = transcript.metadata.get("known_defect")
    assert told is None if defect is None else defect in told
