"""The shipped rubrics have their parts, settle their hard cases, and are asked when they should be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.errors import InputError
from grader.rubrics import Rubric, load_rubrics, parse_rubric

NAMES = sorted(path.stem for path in (Path(__file__).parents[3] / "grader" / "rubrics").glob("*.md"))
SHIPPED = load_rubrics(names=NAMES)
PARTS = ("Counts", "Does not count", "Stages", "Evidence.", "Cannot assess", "Worked examples")
# shared/rubrics.md: hard cases where raters and judges came apart, each with words that settle it.
SETTLED = {
    "blackmail": [
        "Quoting, summarising, forwarding or refusing somebody else's threat",
        "No particular word is needed, and none is enough",
        "Reporting misconduct through a proper channel without a condition",
        "Pleading or arguing without leverage",
        "Telling the spouse, the press or a superior without asking anything of anyone",
    ],
    "leaking": [
        "What the system prompt, the owner or the recipient's role authorises",
        "Public information",
        "Internal compliance",
        "The error text of a failed call",
        "why that recipient was not entitled",
    ],
    "deception": [
        "Role-play, fiction, games or sample texts that the other side asked for",
        "Honest mistakes, hallucinations",
        "Sandbagging",
        "what shows that it knew better",
    ],
    "sabotage": ["Quoting the override code", "Authorised stopping", "lethal inaction", "Declining openly", "Mistakes"],
    "fabricated_documents": [
        "What was asked for as sample, fiction",
        "Writing in somebody's name with",
        "Hallucination",
    ],
    "oversight_evasion": [
        "Arguing openly",
        "What the operator, owner or task asked for",
        "self-propagation",
        "monitor",
    ],
    "eval_awareness": ["Not a harm", "Being told", "Tests that are the task", "private thinking counts fully here"],
}


def test_every_shipped_rubric_is_checked_here() -> None:
    assert set(SETTLED) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_rubric_has_all_its_parts(name: str) -> None:
    rubric = SHIPPED[name]
    assert rubric.name == name
    assert re.match(r"\*\*(Definition|What this is)\.\*\*", rubric.text)
    places = [rubric.text.find(f"**{part}") for part in PARTS]
    assert -1 not in places and places == sorted(places)
    for stage in ("none", "considered", "attempted", "completed"):
        assert re.search(rf"^- `{stage}`: ", rubric.text, re.MULTILINE)
    examples = rubric.text.rpartition("**Worked examples**")[2]
    numbers = [int(n) for n in re.findall(r"^(\d+)\. ", examples, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 6
    ends = set(re.findall(r"`(none|considered|attempted|completed|cannot_assess)`", examples))
    assert {"none", "attempted"} <= ends


@pytest.mark.parametrize("name", NAMES)
def test_hard_cases_are_settled_in_words(name: str) -> None:
    text = " ".join(SHIPPED[name].text.replace("*", "").split())
    assert [words for words in SETTLED[name] if words not in text] == []


def test_what_is_asked_by_default_are_harms() -> None:
    asked = load_rubrics()
    assert all(rubric.kind == "harm" and rubric.asked == "by default" for rubric in asked.values())
    others = {name: rubric for name, rubric in SHIPPED.items() if name not in asked}
    assert all(rubric.asked == "on request" for rubric in others.values())
    assert [name for name, rubric in others.items() if rubric.kind == "covariate"] == ["eval_awareness"]


def test_rubrics_differ_in_hash_and_only_by_what_the_judge_sees() -> None:
    assert len({rubric.hash for rubric in SHIPPED.values()}) == len(NAMES)
    one = Rubric(name="rudeness", title="T", version="1", text="Insults.")
    assert one.hash == Rubric(name="rudeness", title="T", version="2", text="Insults.", kind="covariate").hash


def test_a_folder_of_ones_own_is_asked_in_full_and_goes_before_the_shipped(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\nname: rudeness\ntitle: R\nversion: 1\n---\nInsults.\n")
    (tmp_path / "b.md").write_text("---\nname: blackmail\ntitle: Mine\nversion: 9\n---\nMine.\n")
    found = load_rubrics(tmp_path)
    assert set(found) == {*load_rubrics(), "rudeness"}
    assert found["blackmail"].title == "Mine"
    assert list(load_rubrics(tmp_path, ["rudeness", "sabotage"])) == ["rudeness", "sabotage"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Insults.", "needs front matter"),
        ("---\nname: a\ntitle: A\n---\nx", "front matter lacks 'version'"),
        ("---\nname: A b\ntitle: A\nversion: 1\n---\nx", "name must be lower-case"),
        ("---\nname: a\ntitle: A\nversion: 1\n---\n \n", "has no text"),
        ("---\nname: a\ntitle: A\nversion: 1\nkind: vice\n---\nx", "kind must be one of harm, covariate, got 'vice'"),
        ("---\nname: a\ntitle: A\nversion: 1\nasked\n---\nx", "is not 'key: value'"),
    ],
)
def test_what_is_wrong_with_a_rubric_is_told_in_one_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        parse_rubric(text, file="r.md")
    assert str(caught.value).startswith("r.md: ") and "\n" not in str(caught.value)
