"""SWE-agent's trajectories: the history where there is one, else the steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grader import read_transcripts
from grader.errors import InputError


def read(path: Path, value: Any) -> list[tuple[str, str, str]]:
    path.write_text(json.dumps(value))
    (transcript,) = read_transcripts(path, format="swe-agent")
    return [(m.role, m.kind, m.text) for m in transcript.messages]


def test_steps_are_thought_action_observation(tmp_path: Path) -> None:
    steps = [{"thought": "Look.", "action": "ls\n", "observation": "a.py"}, {"thought": "Done.", "action": ""}]
    found = read(tmp_path / "x.traj", {"trajectory": steps, "instance_id": "repo-1"})
    assert [(role, text) for role, kind, text in found if kind != "tool_call"] == [
        ("assistant", "Look."),
        ("tool", "a.py"),
        ("assistant", "Done."),
        ("tool", ""),
    ]
    assert sum(kind == "tool_call" for _, kind, _ in found) == 1
    (transcript,) = read_transcripts(tmp_path / "x.traj", format="swe-agent")
    assert transcript.metadata["scenario"] == "repo-1"


def test_what_the_user_says_after_an_action_is_its_result_and_a_demonstration_is_nobodys_deed(tmp_path: Path) -> None:
    history = [
        {"role": "system", "content": "S"},
        {"role": "assistant", "content": "worked example", "is_demo": True},
        {"role": "user", "content": "the issue"},
        {"role": "assistant", "thought": "Look.", "action": "ls", "content": "Look.\nls"},
        {"role": "user", "content": "a.py"},
    ]
    found = read(tmp_path / "x.traj", {"history": history, "trajectory": []})
    texts = [(role, kind, text) for role, kind, text in found if kind != "tool_call"]
    assert texts == [
        ("system", "text", "S"),
        ("user", "text", "worked example"),
        ("user", "text", "the issue"),
        ("assistant", "text", "Look."),
        ("tool", "tool_result", "a.py"),
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"trajectory": 3}, "neither 'history' nor 'trajectory'"),
        ({"trajectory": [3]}, "step"),
        ({"history": [{"role": "user", "content": "x"}, 3], "trajectory": []}, "is no object"),
    ],
)
def test_what_is_no_trajectory_is_told(tmp_path: Path, value: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(tmp_path / "x.traj", value)
