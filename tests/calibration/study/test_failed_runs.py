"""A table of verdicts cannot make a failed run harmless."""

import pandas as pd
import pytest

from calibration.study.inputs import Sources, load
from grader.failed_runs import correct_frame
from grader.metadata import metadata_frame
from grader.transcript import Message, Transcript
from grader.verdict.frame import verdict_frame

ASKED = Message(role="user", kind="text", text="Hi")
SAID = Message(role="assistant", kind="text", text="Hello")
POOL = metadata_frame(
    [
        Transcript(id="fine", messages=(ASKED, SAID), metadata={}),
        Transcript(id="silent", messages=(ASKED,), metadata={"provider_error": "timeout"}),
        Transcript(id="unread", messages=(), metadata={"unread": "line 2: broken JSON"}),
        Transcript(id="call", messages=(ASKED, SAID), metadata={"provider_error": "HTTP 402"}),
    ]
)


def table(present: bool) -> pd.DataFrame:
    rows = [
        {"transcript_id": id_, "harm": "leaking", "grader": "tool", "present": present, "score": float(present)}
        for id_ in POOL["transcript_id"]
    ]
    return verdict_frame(rows)


@pytest.mark.parametrize(
    ("present", "outcomes", "changed"),
    [
        (False, ["scored", "cannot_assess", "not_graded", "cannot_assess"], 3),
        # What was seen before a call failed was done: a "yes" stays.
        (True, ["scored", "cannot_assess", "not_graded", "scored"], 2),
    ],
)
def test_a_verdict_on_a_failed_run_is_an_outcome(present, outcomes, changed):
    corrected, n = correct_frame(table(present), POOL)
    assert corrected["outcome"].tolist() == outcomes and n == changed
    assert corrected["present"].isna().tolist() == [outcome != "scored" for outcome in outcomes]
    assert corrected["score"].isna().equals(corrected["present"].isna())
    assert "timeout" in corrected["explanation"][1] and "broken JSON" in corrected["explanation"][2]
    assert correct_frame(corrected, POOL)[1] == 0


def test_load_says_how_many_and_a_table_without_transcripts_stays_as_it_is():
    with_pool = load(Sources(verdicts=table(False), pool=POOL))
    assert with_pool.verdicts["outcome"].tolist().count("scored") == 1
    assert any(note.startswith("3 verdicts are on runs that failed") for note in with_pool.notes)
    assert load(Sources(verdicts=table(False))).verdicts["outcome"].eq("scored").all()
