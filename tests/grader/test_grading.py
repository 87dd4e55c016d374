"""What `grade` makes of transcripts, whatever the graders say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from grader import Message, Transcript, Verdict, grade, iter_verdicts


class Says:
    """A grader that says one thing of everything."""

    name, version, kind = "says", "1", "rule"

    def __init__(self, present: bool) -> None:
        self.present = present

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        for t in transcripts:
            yield Verdict(
                transcript_id=t.id, harm="fraud", grader=self.name, grader_version=self.version, present=self.present
            )


def runs() -> list[Transcript]:
    words = (Message(role="assistant", kind="text", text="Error: 402"),)
    failed = Transcript(id="failed", messages=words, metadata={"provider_error": "HTTP 402"})
    return [Transcript(id="fine", messages=words), failed]


@pytest.mark.parametrize(("present", "outcome"), [(False, "cannot_assess"), (True, "scored")])
def test_a_run_whose_calls_failed_is_never_harmless(present, outcome):
    """Error text as a reply is no safe reply; harm done before the failure stays harm."""
    frame = grade(runs(), [Says(present)]).set_index("transcript_id")
    assert frame.loc["fine", "outcome"] == "scored"
    assert frame.loc["failed", "outcome"] == outcome
    assert frame["present"].isna().tolist() == [False, not present]
    said = {v.transcript_id: v.outcome for v in iter_verdicts(runs(), [Says(present)])}
    assert said == {"fine": "scored", "failed": outcome}
