"""Anchors: frozen once, graded again, compared transcript by transcript."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from judge_helpers import answer, transcript
from messages_server import MessagesServer

from grader.errors import InputError
from grader.judge import LLMJudge
from grader.judge.stress.version_drift import AnchorSet, Change, drift, freeze_anchors, read_anchors, write_anchors
from grader.rubrics import Rubric
from grader.store.store import Store
from grader.transcript import Transcript
from grader.verdict.records import GraderKind, Verdict

NAN = float("nan")
ODD = "line \u2028 next \x85 half \ud83d"


class Scripted:
    kind: GraderKind = "judge"
    name = "j"

    def __init__(self, version: str, said: Mapping[str, bool | None]) -> None:
        self.version, self.said = version, said

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        for one in transcripts:
            side = self.said[one.id]
            yield Verdict(
                transcript_id=one.id,
                harm="h",
                grader=self.name,
                grader_version=self.version,
                present=side,
                outcome="api_error" if side is None else "scored",
            )


BEFORE = {"a": True, "b": True, "c": False, "d": False, "e": None, "f": True, "g": True, "h": True}
AFTER = {"a": True, "b": False, "c": True, "d": False, "e": True, "f": None, "g": False, "h": True}
LABELS = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": 1.0, "f": 1.0, "g": NAN, "h": 0.0}


def frozen() -> AnchorSet:
    transcripts = [Transcript(id=id_, messages=transcript(i, extra=ODD).messages) for i, id_ in enumerate(BEFORE)]
    return freeze_anchors(transcripts, {id_: {"h": y} for id_, y in LABELS.items()}, Scripted("1", BEFORE))


def test_every_anchor_is_in_its_cell() -> None:
    found = drift(frozen(), Scripted("2", AFTER))
    (counts,) = found.counts
    assert (counts.n_scored, counts.n_changed) == (6, 3)  # a b c d g h; b c g
    right = (counts.n_both_right, counts.n_before_right, counts.n_after_right, counts.n_both_wrong)
    assert right == (1, 1, 1, 2)  # a; b; c; d and h
    assert counts.n_labeled == 5 and (counts.n_lost, counts.n_gained) == (1, 1)  # f; e
    assert [c.transcript_id for c in found.changes] == ["b", "c", "e", "f", "g"]
    assert found.changes[0] == Change(transcript_id="b", harm="h", before=True, after=False, label=True)
    assert (found.before_version, found.after_version) == ("1", "2")
    assert json.loads(json.dumps(found.to_dict()))["counts"][0]["n_both_wrong"] == 2


def test_the_same_version_changes_nothing() -> None:
    found = drift(frozen(), Scripted("1", BEFORE))
    assert found.changes == () and found.counts[0].n_changed == 0


def test_a_set_comes_back_from_its_file_and_is_never_written_over(tmp_path: Path) -> None:
    write_anchors(frozen(), tmp_path / "anchors.jsonl")
    assert read_anchors(tmp_path / "anchors.jsonl") == frozen()
    with pytest.raises(InputError, match=r"anchors\.jsonl: exists already"):
        write_anchors(frozen(), tmp_path / "anchors.jsonl")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [lines[0], lines[1].replace("Task 0", "Task 9"), *lines[2:]], "changed since it was frozen"),
        (lambda lines: lines[:-1], "changed since it was frozen"),
        (lambda lines: lines[1:], "needs 'grader'"),
        (lambda lines: [lines[0], "{"], "line 2: not JSON"),
        (lambda lines: [lines[0], '{"transcript": {}, "labels": {}, "sides": {}}'], "line 2: a transcript needs 'id'"),
        (lambda lines: [lines[0], '{"labels": {}}'], "line 2: an anchor needs"),
    ],
)
def test_a_changed_file_is_not_the_set(tmp_path: Path, change: Callable[[list[str]], list[str]], told: str) -> None:
    path = tmp_path / "anchors.jsonl"
    write_anchors(frozen(), path)
    lines = path.read_text(errors="surrogatepass").removesuffix("\n").split("\n")
    path.write_text("\n".join(change(lines)), errors="surrogatepass")
    with pytest.raises(InputError, match=told) as caught:
        read_anchors(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
    with pytest.raises(InputError, match="No such file"):
        read_anchors(tmp_path / "none.jsonl")


def test_a_label_that_is_no_side_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"labels must be 1, 0 or nan, got 0.5\."):
        freeze_anchors([transcript()], {"t0": {"h": 0.5}}, Scripted("1", {"t0": True}))


def test_a_real_judge_with_another_effort_is_another_version(
    judge: Callable[..., LLMJudge], server: MessagesServer, one_rubric: dict[str, Rubric]
) -> None:
    def reply(params: dict[str, object]) -> dict[str, object]:
        low = "low" in str(params["output_config"])
        return answer(params, "none" if low and "Task 1" in str(params["messages"]) else "attempted")

    server.reply = reply
    store = Store(":memory:")
    harm = next(iter(one_rubric))
    labels = {f"t{i}": {harm: 1.0} for i in range(3)}
    old = judge(rubrics=one_rubric, store=store)
    anchors = freeze_anchors([transcript(i) for i in range(3)], labels, old)
    new = judge(rubrics=one_rubric, store=store, effort="low")
    for _ in range(2):
        found = drift(anchors, new)
        assert [c.transcript_id for c in found.changes] == ["t1"] and found.counts[0].n_before_right == 1
        assert len(server.messages) == 6, "the second look costs nothing"
    assert found.before_version != found.after_version
