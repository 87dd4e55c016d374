"""Adapters without their harnesses: what they return, and the one line that says what to install."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader import Verdict
from grader.errors import InputError
from grader.harness.conversations import conversation_of
from grader.harness.inspect import REASONS, score_fields
from grader.harness.one import GradeOne, LazyGradeOne, grade_one
from grader.harness.opening import open_graders, open_rows
from grader.harness.promptfoo import get_assert
from grader.harness.scout import result_fields
from grader.verdict.records import OUTCOMES
from harmrate.pytest_plugin import assert_harm_rate
from labels import LabelSet

ROOT = Path(__file__).resolve().parents[3]
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "No!"}]


class Says:
    """Says `sides` of the harms, one for each repeat."""

    version = "1"

    def __init__(self, name="says", kind="judge", **sides) -> None:
        self.name, self.kind, self.sides = name, kind, sides

    def grade(self, transcripts):
        for t in transcripts:
            for harm, sides in self.sides.items():
                for repeat, side in enumerate(sides):
                    more = {"outcome": "refused"} if side is None else {"score": float(side)}
                    known = {"transcript_id": t.id, "harm": harm, "grader": self.name, "grader_version": "1"}
                    yield Verdict(**known, present=side, repeat=repeat, explanation="See [M2].", **more)


@pytest.mark.parametrize(
    ("sides", "present"),
    [
        ({"a": [True], "b": [None]}, True),
        ({"a": [False], "b": [None]}, None),
        ({"a": [False], "b": [False]}, False),
        ({"a": [False, True, True]}, True),
        ({"a": [None, False, None]}, False),
    ],
)
def test_one_answer_of_harms_and_repeats(sides, present) -> None:
    assert grade_one(TALK, [Says(**sides)])["present"] is present


def test_the_judge_s_word_counts_before_the_classifier_s() -> None:
    graders = [Says("c", "classifier", a=[True], b=[True]), Says("j", "judge", a=[False])]
    harms = grade_one(TALK, graders)["harms"]
    assert (harms["a"]["grader"], harms["a"]["present"]) == ("j", False)
    assert (harms["b"]["grader"], harms["b"]["present"]) == ("c", True)


def test_scores_and_results_say_what_is_not_scored() -> None:
    conversation = conversation_of(TALK)
    mixed = GradeOne.open([Says(a=[True], b=[None])]).of(conversation.transcript)
    fields = score_fields(mixed, conversation, ["u", "v"])
    assert fields["value"]["a"] == 1 and math.isnan(fields["value"]["b"]) and fields["answer"] == "a"
    assert fields["metadata"]["scanner_references"] == [{"type": "message", "cite": "[M2]", "id": "v"}]
    (result,) = result_fields(mixed, conversation, ["u", "v"])
    assert result["label"] == "a" and result["metadata"]["not_scored"] == {"b": "refused"}
    failed = score_fields(GradeOne.open([Says(a=[None])]).of(conversation.transcript), conversation, ["u", "v"])
    assert math.isnan(failed["value"]) and failed["reason"] == "grader_failed"
    assert set(REASONS) == set(OUTCOMES) - {"scored"}


def test_what_cannot_be_graded_does_not_pass() -> None:
    found = get_assert("All is well.", {"prompt": "Hi", "config": {"url": "http://127.0.0.1:9"}})
    assert found["pass"] is False and found["metadata"]["graderError"] is True and "no answer" in found["reason"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"jugde": "x"}, "jugde"), ({"harms": "sneezing"}, "sneezing"), ({"classifier": "nowhere"}, "nowhere")],
)
def test_settings_that_are_none_are_named(settings, told, monkeypatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    with pytest.raises(InputError, match=told):
        open_graders(**settings)


def test_a_service_takes_no_settings_of_graders() -> None:
    with pytest.raises(InputError, match="judge cannot be set"):
        open_rows(url="http://127.0.0.1:1", judge="m")


def test_only_settings_travel_to_other_processes() -> None:
    import pickle

    late = LazyGradeOne(url="http://127.0.0.1:1", judge=None)
    late.opened()
    again = pickle.loads(pickle.dumps(late))
    assert again._settings == {"url": "http://127.0.0.1:1"} and again._opened is None


@pytest.mark.parametrize(
    ("blocked", "code", "install"),
    [
        ("inspect_ai", "import harmrate.inspect", "harmrate[inspect]"),
        ("inspect_scout", "import harmrate.scout", "harmrate[scout]"),
        ("fastapi", "from grader.service.app import make_app; make_app([])", "harmrate[serve]"),
        ("uvicorn", "from grader.service.serve import serve; serve([])", "harmrate[serve]"),
        ("deepeval", "from grader.harness.deepeval import harm_metric; harm_metric()", "deepeval"),
    ],
)
def test_an_adapter_says_what_to_install(blocked, code, install) -> None:
    script = f"import sys; sys.modules[{blocked!r}] = None; import grader\n"
    script += f"try:\n    exec({code!r})\nexcept Exception as e: print(type(e).__name__, e)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert line == f"InputError {blocked} is not installed: pip install '{install}'"


def pool(n: int, harmful: int):
    from grader import grade
    from grader.transcript import Message, Transcript

    runs = [
        Transcript(
            id=f"t{i}", messages=(Message(role="assistant", kind="text", text=str(i)),), metadata={"scenario": i}
        )
        for i in range(n)
    ]
    labels = LabelSet.from_rows([(f"t{i}", "a", "ana", float(i < harmful)) for i in range(n)])
    return grade(runs, [Says(a=[False])]), labels


def test_a_rate_is_asserted_by_its_interval() -> None:
    """0 of 400: the 95 % limit is near 3/400, so it is shown to be below 2 %, not below 0.5 %."""
    verdicts, labels = pool(400, 0)
    (found,) = assert_harm_rate(verdicts, labels, below=0.02)
    assert 0.005 < found.estimate.high < 0.02
    with pytest.raises(AssertionError, match="not shown to be below 0.5 %"):
        assert_harm_rate(verdicts, labels, below=0.005)
    assert_harm_rate(verdicts, labels, not_above=0.0)


def test_a_rate_fails_not_above_only_when_it_is_shown_to_be() -> None:
    verdicts, labels = pool(400, 40)
    assert_harm_rate(verdicts, labels, not_above=0.09)
    with pytest.raises(AssertionError, match="above 5 %"):
        assert_harm_rate(verdicts, labels, not_above=0.05)


def test_without_labels_nothing_is_shown() -> None:
    verdicts, _ = pool(400, 0)
    with pytest.raises(AssertionError, match="not shown"):
        assert_harm_rate(verdicts, below=0.9)
    with pytest.raises(ValueError, match="below or not_above"):
        assert_harm_rate(verdicts)


def test_pytest_hands_the_assertion_to_tests(tmp_path) -> None:
    (tmp_path / "test_rate.py").write_text(
        "import pytest\n"
        "def test_none_given(assert_harm_rate):\n"
        "    with pytest.raises(ValueError, match='below or not_above'):\n"
        "        assert_harm_rate('verdicts.csv')\n"
    )
    plugins = ["-p", "no:cacheprovider", "-p", "harmrate.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "-c", "/dev/null"]
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout


def test_examples_of_docstrings() -> None:
    import doctest

    import harmrate.validation

    found = doctest.testmod(harmrate.validation)
    assert found.attempted > 3 and found.failed == 0
