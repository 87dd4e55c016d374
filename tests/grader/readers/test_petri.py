"""Petri's and Bloom's edits of the target's conversation, replayed as RFC 6902 and Petri define them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grader import read_transcripts
from grader.errors import InputError

Edit = dict[str, Any]


def said(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text} | more


def add(role: str, text: str, **more: Any) -> Edit:
    return {"operation": "add", "message": said(role, text, **more)}


def audit(path: Path, *edits: Edit, views: dict[int, Any] | None = None, **metadata: Any) -> Path:
    """A transcript whose event `i` has edit `i`, seen by the target unless `views` says else."""
    events = [
        {
            "type": "transcript_event",
            "id": f"e{i}",
            "timestamp": "t",
            "view": (views or {}).get(i, ["target"]),
            "edit": e,
        }
        for i, e in enumerate(edits)
    ]
    path.write_text(json.dumps({"metadata": {"transcript_id": "run"} | metadata, "events": events}))
    return path


def branches(path: Path) -> list[list[str]]:
    return [[m.text for m in t.messages] for t in read_transcripts(path)]


START = (add("system", "S"), add("user", "U", id="u"), add("assistant", "A1", id="a1"))


def test_messages_are_those_of_the_targets_view(tmp_path: Path) -> None:
    path = audit(tmp_path / "t.json", *START, add("user", "for the auditor"), views={3: ["auditor"]}, target_model="m")
    (transcript,) = read_transcripts(path, format="petri")
    assert [m.text for m in transcript.messages] == ["S", "U", "A1"]
    assert transcript.id == "run" and transcript.metadata["episode"] == "run"
    assert transcript.metadata["branch"] == 1 and transcript.metadata["rolled_back"] is False


@pytest.mark.parametrize(
    "back", [{"operation": "rollback", "count": 1}, {"operation": "rollback", "to_id": "u"}, {"operation": "rollback"}]
)
def test_what_was_rolled_back_was_still_done(tmp_path: Path, back: Edit) -> None:
    path = audit(tmp_path / "t.json", *START, back, add("assistant", "A2"))
    assert branches(path) == [["S", "U", "A1"], ["S", "U", "A2"]]
    first, last = read_transcripts(path)
    assert (first.id, last.id) == ("run/branch-1", "run") and first.metadata["episode"] == last.metadata["episode"]
    assert (first.metadata["rolled_back"], last.metadata["rolled_back"]) == (True, False)


def test_rolling_back_what_the_agent_never_answered_makes_no_branch(tmp_path: Path) -> None:
    edits = (*START, add("user", "U2"), {"operation": "rollback", "count": 1}, add("assistant", "A2"))
    assert branches(audit(tmp_path / "t.json", *edits)) == [["S", "U", "A1", "A2"]]


def test_a_reset_starts_anew(tmp_path: Path) -> None:
    reset = {"operation": "reset", "new_messages": [said("system", "S'"), said("user", "U'")]}
    assert branches(audit(tmp_path / "t.json", *START, reset, add("assistant", "A'"))) == [
        ["S", "U", "A1"],
        ["S'", "U'", "A'"],
    ]
    assert branches(audit(tmp_path / "u.json", *START, {"operation": "reset"})) == [["S", "U", "A1"]]


# A patch before the agent's words leaves the old course as a branch of its own; one behind them does not.
@pytest.mark.parametrize(
    ("patch", "texts"),
    [
        ([{"op": "replace", "path": "/1/content", "value": "V"}], [["S", "U", "A1"], ["S", "V", "A1"]]),
        ([{"op": "add", "path": "/-", "value": said("user", "E")}], [["S", "U", "A1", "E"]]),
        ([{"op": "add", "path": "/0", "value": said("user", "E")}], [["S", "U", "A1"], ["E", "S", "U", "A1"]]),
        ([{"op": "remove", "path": "/0"}, {"op": "remove", "path": "/0"}], [["S", "U", "A1"], ["A1"]]),
        ([{"op": "add", "path": "/1/a~1b~0c", "value": 1}], [["S", "U", "A1"], ["S", "U", "A1"]]),
    ],
)
def test_a_patch_is_that_of_rfc_6902(tmp_path: Path, patch: list[Edit], texts: list[list[str]]) -> None:
    assert branches(audit(tmp_path / "t.json", *START, {"operation": "json_patch", "patch": patch})) == texts


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"operation": "swap"}, "event 4: unknown edit 'swap'"),
        ({"operation": "rollback", "count": -1}, "event 4: a rollback by '-1'"),
        ({"operation": "json_patch", "patch": [{"op": "move", "path": "/0"}]}, "event 4: unknown patch"),
        ({"operation": "json_patch", "patch": [{"op": "remove", "path": "/9"}]}, "event 4: a patch at '/9'"),
        ({"operation": "json_patch", "patch": [{"op": "replace", "path": "/x/y"}]}, "event 4: a patch at '/x/y'"),
    ],
)
def test_an_edit_that_cannot_be_replayed_is_named(tmp_path: Path, edit: Edit, told: str) -> None:
    with pytest.raises(InputError, match=told):
        branches(audit(tmp_path / "t.json", *START, edit))


def test_words_that_the_auditor_put_into_the_agents_mouth_are_marked(tmp_path: Path) -> None:
    given = [{"is_prefill": True}, {"source": "input"}, {"metadata": {"is_prefill": True}}]
    edits = [add("user", "U"), *(add("assistant", f"P{i}", **more) for i, more in enumerate(given))]
    (transcript,) = read_transcripts(audit(tmp_path / "t.json", *edits, add("assistant", "own")))
    assert [m.name for m in transcript.messages] == [None, "prefill", "prefill", "prefill", None]
    assert transcript.metadata["prefill"] == [1, 2, 3]


def test_bloom_names_variation_and_repetition_in_the_file(tmp_path: Path) -> None:
    (transcript,) = read_transcripts(audit(tmp_path / "transcript_v3r2.json", *START))
    assert (transcript.metadata["scenario"], transcript.metadata["epoch"]) == ("v3", 2)


def test_a_transcript_without_edits_has_its_list_of_messages(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"metadata": {}, "target_messages": [said("user", "U"), said("assistant", "A")]}))
    (transcript,) = read_transcripts(path)
    assert [m.text for m in transcript.messages] == ["U", "A"]
    path.write_text(json.dumps({"metadata": {}, "events": [{"type": "e", "view": ["auditor"], "edit": {}}]}))
    with pytest.raises(InputError, match="holds no message"):
        list(read_transcripts(path))
