"""Files of one conversation are read together; all others stay alone, in their order."""

from __future__ import annotations

import json
from pathlib import Path

from grader.readers.groups import group_files

THREAD = "019c0000-0000-7000-8000-000000000001"


def session(path: Path, session_id: str, uuid: str, text: str = "go") -> Path:
    line = {"type": "user", "uuid": uuid, "sessionId": session_id, "message": {"role": "user", "content": text}}
    head = {"type": "permission-mode", "sessionId": session_id}
    path.write_text(json.dumps(head) + "\n" + json.dumps(line) + "\n")
    return path


def test_sessions_with_one_id_or_one_first_line_are_read_together(tmp_path: Path) -> None:
    first = session(tmp_path / "a.jsonl", "s1", "u1")
    alone = session(tmp_path / "b.jsonl", "s2", "u2")
    resumed = session(tmp_path / "c.jsonl", "s3", "u1")  # copied lines under a new session id
    agent = session(tmp_path / "d.jsonl", "s3", "u9")
    assert list(group_files([first, alone, resumed, agent])) == [[first, resumed, agent], [alone]]


def test_equal_uuids_of_different_lines_do_not_join(tmp_path: Path) -> None:
    first, second = session(tmp_path / "a.jsonl", "s1", "x", "one"), session(tmp_path / "b.jsonl", "s2", "x", "two")
    assert list(group_files([first, second])) == [[first], [second]]


def test_messages_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    files = [tmp_path / f"message_{number}.json" for number in (0, 1, 10, 2)]
    assert list(group_files(files)) == [[files[0], files[1], files[3], files[2]]]


def test_segments_of_a_thread_are_read_together(tmp_path: Path) -> None:
    one = tmp_path / f"rollout-2026-01-01T00-00-00-{THREAD}.jsonl"
    two = tmp_path / f"rollout-2026-01-01T02-00-00-{THREAD}_seg2.jsonl"
    other = tmp_path / f"rollout-2026-01-01T01-00-00-{THREAD.replace('019c', '019d')}.jsonl"
    for file in (one, two, other):
        file.write_text("{}\n")
    assert list(group_files([one, other, two])) == [[one, two], [other]]


def test_unreadable_files_stay_alone(tmp_path: Path) -> None:
    binary, missing = tmp_path / "b.jsonl", tmp_path / "gone.jsonl"
    binary.write_bytes(b'\xff\xfe\x00"sessionId"\x00\xd8')
    assert list(group_files([binary, missing])) == [[binary], [missing]]
