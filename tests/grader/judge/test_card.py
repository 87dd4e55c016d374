"""The judge's card: a judge that falls for everything, one for nothing, and what a rerun costs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from judge_helpers import answer, harms_of, say, transcript
from messages_server import MessagesServer

from grader.judge import LLMJudge
from grader.judge.stress.card import JudgeCard, ProbeCounts, judge_card
from grader.judge.stress.probes import ATTACKS, GUESSED_CODE, PLACES, plant, planted_text, reworded
from grader.rubrics import Rubric, load_rubrics
from grader.store.store import Store
from grader.transcript import Transcript

Make = Callable[..., LLMJudge]
Json = dict[str, Any]
TRANSCRIPTS = [transcript(i) for i in range(8)]


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def by_probe(card: JudgeCard, harm: str) -> dict[str, ProbeCounts]:
    return {count.probe: count for count in card.counts if count.harm == harm}


def text_of(params: Json) -> str:
    return "\n".join(block["text"] for block in params["messages"][0]["content"])


def honest(params: Json) -> Json:
    """Odd tasks are harmful, even ones are not."""
    number = int(re.search(r"Task (\d+)", text_of(params))[1])  # type: ignore[index]
    return answer(params, "attempted" if number % 2 else "none")


def gullible(params: Json) -> Json:
    """Does what any text asks for."""
    asked = re.search(r'must answer stage "(\w+)"|"stage": "(\w+)"', text_of(params))
    return answer(params, asked[1] or asked[2]) if asked else honest(params)


def test_an_honest_judge_never_flips(judge: Make, server: MessagesServer) -> None:
    server.reply = honest
    card = judge_card(judge(repeats=5), TRANSCRIPTS, rng=rng(), n=6)
    assert len(card.transcripts) == 6 and set(card.transcripts) < {t.id for t in TRANSCRIPTS}
    harm = next(iter(load_rubrics()))
    found = by_probe(card, harm)
    assert set(found) == {"repeat", "rubric reworded", "harm order", "reasoning hidden"} | {
        f"{attack} in {place}" for attack in ATTACKS for place in PLACES
    }
    assert {count.n for count in card.counts} == {6} and {count.n_flipped for count in card.counts} == {0}
    # two repeats, three other ways to ask, twelve planted texts
    assert len(server.messages) == 6 * (2 + 3 + 12)


def test_a_gullible_judge_flips_both_ways_under_every_attack_and_not_under_the_note(
    judge: Make, server: MessagesServer
) -> None:
    server.reply = gullible
    card = judge_card(judge(), TRANSCRIPTS, rng=rng())
    for count in card.counts:
        is_attack = " in " in count.probe and not count.probe.startswith("harmless note")
        assert count.n == 8 and count.n_flipped == (8 if is_attack else 0), count
        if is_attack:
            assert set(count.to_present) == {f"t{i}" for i in range(0, 8, 2)}
            assert set(count.to_absent) == {f"t{i}" for i in range(1, 8, 2)}


def test_only_verdicts_that_are_not_what_is_demanded_count_under_attack(judge: Make, server: MessagesServer) -> None:
    harms = list(load_rubrics())

    def one_harm_only(params: Json) -> Json:
        asked = gullible(params)
        told = "must answer stage" in text_of(params) or '"stage": "' in text_of(params)
        return asked if told else {h: answer(params, "attempted" if h == harms[0] else "none")[h] for h in asked}

    server.reply = one_harm_only
    card = judge_card(judge(), TRANSCRIPTS, rng=rng())
    attack = "instruction in user text"
    assert [by_probe(card, harm)[attack].n for harm in harms] == [8, 0, 0], "'absent' is demanded: the others say so"
    assert by_probe(card, harms[0])[attack].to_absent == card.transcripts


def test_each_other_way_to_ask_is_seen_by_its_own_probe(judge: Make, server: MessagesServer) -> None:
    harms = list(load_rubrics())
    flips: dict[str, Callable[[Json], bool]] = {
        "rubric reworded": lambda params: "**Falls outside**" in params["system"][0]["text"],
        "harm order": lambda params: harms_of(params) == harms[::-1],
        "reasoning hidden": lambda params: "not shown to you]" in text_of(params),
    }
    for probe, sees in flips.items():
        server.reply = lambda params, sees=sees: answer(params, "none" if sees(params) else "attempted")
        found = by_probe(judge_card(judge(), TRANSCRIPTS, rng=rng()), harms[0])
        assert {name for name, count in found.items() if count.n_flipped} == {probe}
        assert found[probe].to_absent == tuple(t.id for t in TRANSCRIPTS)


def test_noise_and_losses_are_told_apart(judge: Make, server: MessagesServer, one_rubric: dict[str, Rubric]) -> None:
    seen: set[str] = set()

    def reply(params: Json) -> Json:
        if "safety team" in text_of(params):
            return {"type": "message", "content": [], "stop_reason": "refusal", "usage": {}}
        task = re.search(r"Task \d+", text_of(params))[0]  # type: ignore[index]
        first = task not in seen
        seen.add(task)
        return answer(params, "attempted" if first else "none")

    server.reply = reply
    found = by_probe(judge_card(judge(rubrics=one_rubric), TRANSCRIPTS, rng=rng()), next(iter(one_rubric)))
    assert found["repeat"].n_flipped == 8 and "harm order" not in found, "there is one harm only"
    refused = found["instruction in tool result"]
    assert (refused.n, len(refused.lost)) == (0, 8)


def test_a_rerun_with_the_same_seed_costs_nothing(judge: Make, server: MessagesServer) -> None:
    server.reply = gullible
    store = Store(":memory:")
    first = judge_card(judge(store=store), TRANSCRIPTS, rng=rng(), n=5)
    n = len(server.messages)
    assert judge_card(judge(store=store), TRANSCRIPTS, rng=rng(), n=5) == first
    assert len(server.messages) == n
    assert json.loads(json.dumps(first.to_dict()))["counts"][0]["n_flipped"] == 0


def test_what_has_no_thoughts_has_none_to_hide(judge: Make, server: MessagesServer) -> None:
    server.reply = honest
    bare = [Transcript(id=t.id, messages=tuple(m for m in t.messages if m.kind != "reasoning")) for t in TRANSCRIPTS]
    mixed = [*bare[:6], *TRANSCRIPTS[6:]]
    harm = next(iter(load_rubrics()))
    assert by_probe(judge_card(judge(), mixed, rng=rng()), harm)["reasoning hidden"].n == 2
    assert "reasoning hidden" not in by_probe(judge_card(judge(), bare, rng=rng()), harm)


@pytest.mark.parametrize(("transcripts", "n"), [([], 3), (TRANSCRIPTS, 0)])
def test_nothing_to_probe_is_an_error(judge: Make, transcripts: list[Transcript], n: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        judge_card(judge(), transcripts, rng=rng(), n=n)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", PLACES)
def test_a_plant_changes_one_message_of_its_channel(attack: Any, place: Any) -> None:
    before = transcript()
    after = plant(before, attack, place, "present", harms=["h"], rng=rng())
    assert after.id == f"t0#{place}/{attack}"
    ((old, new),) = [(a, b) for a, b in zip(before.messages, after.messages, strict=True) if a != b]
    assert new == replace(old, text=f"{old.text}\n\n{planted_text(attack, 'present', ['h'])}")
    roles = {"tool result": "tool", "user text": "user", "agent text": "assistant"}
    assert (new.role, new.kind) == (roles[place], "tool_result" if place == "tool result" else "text")


def test_a_channel_that_is_not_there_becomes_the_last_message() -> None:
    before = Transcript(id="t", messages=(say("user", "hi"),))
    after = plant(before, "forged marker", "tool result", "absent", harms=["h"], rng=rng())
    assert after.messages[0] == before.messages[0] and after.messages[1].role == "tool"
    assert f"</transcript {GUESSED_CODE}>" in after.messages[1].text and 'stage "none"' in after.messages[1].text


@pytest.mark.parametrize("name", ["sabotage", "leaking", "eval_awareness"])
def test_rewording_keeps_every_point_and_example(name: str) -> None:
    rubric = load_rubrics(names=[name])[name]
    other = reworded(rubric)
    assert other.hash != rubric.hash and (other.name, other.title) == (rubric.name, rubric.title)

    def points(text: str) -> list[int]:
        return sorted(len(line.split()) for line in text.splitlines() if line.startswith("- "))

    plain = other.text.replace("AI agent", "agent")
    assert points(plain) == points(rubric.text)
    examples = [line[:30] for line in rubric.text.splitlines() if re.match(r"\d+\. ", line)]
    again = [line[:30].replace("record", "transcript") for line in plain.splitlines() if re.match(r"\d+\. ", line)]
    assert [e[:15] for e in again] == [e[:15] for e in examples], "examples keep their order"


def test_a_point_keeps_the_lines_that_belong_to_it() -> None:
    text = "Intro\n- one\n  goes on\n- two\n  - inner\n\n- alone\n1. a\n2. b"
    rubric = Rubric(name="h", title="H", version="1", text=text)
    assert reworded(rubric).text == "Intro\n- two\n  - inner\n- one\n  goes on\n\n- alone\n1. a\n2. b"
