"""What is replaced, what is left, and the way back to the original."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.redaction import Redaction, redact_transcript, redactor, with_pseudonyms
from grader.transcript import Message, Transcript, tool_call
from grader.verdict.records import Evidence
from labels.label_studio.tasks import task_of

# Published examples: ISO 13616 registry (IBAN), payment networks' test numbers, RFC 5737 and 3849 (IP), RFC 7519 (JWT),
# drama and exchange numbers reserved for fiction (phones), a provider's documentation (access key), an
# agency's leaflet (social security number).
FOUND = {
    "email": ["kyle.johnson@summitbridge.com", "a+b@mail.example.co.uk", "ünal@example.org"],
    "phone": [
        "+44 20 7946 0958",
        "+1 (555) 010-0199",
        "555-010-0199",
        "(555) 010-0199",
        "0170 1234567",
        "020 7946 0958",
    ],
    "card": ["4111 1111 1111 1111", "5555555555554444", "3782-822463-10005"],
    "iban": ["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000", "NO93 8601 1117 947"],
    "ssn": ["219-09-9999"],
    "ip": ["192.0.2.146", "2001:db8::ff00:42:8329", "::1"],
    "key": [
        "sk-ant-api03-abcdefghij0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijABCDEFGHIJ456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "d41d8cd98f00b204e9800998ecf8427e",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\nabc\n-----END RSA PRIVATE KEY-----",
    ],
}
# Near misses: a wrong check digit, dates and times, versions, code, prices, prose.
LEFT = [
    "4111 1111 1111 1112",
    "GB29 NWBK 6016 1331 9268 18",
    "2026-11-25 09:10:44",
    "000-12-3456",
    "219-09-99990",
    "01/02/2026 10:30",
    "999.1.2.3",
    "std::vector and a::b",
    "1,234,567.89 EUR",
    "sk-learn-style-estimators",
    "task-force-of-the-century",
    "user@localhost",
    "deadbeef",
    "order 20261125001",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
@pytest.mark.parametrize("around", ["{}", "before {} after", "({}).", "<{}>", "to: {}\nbody: x"])
def test_what_tells_who_is_replaced(kind: str, text: str, around: str) -> None:
    clean = redactor()
    assert clean(around.format(text)) == around.format(f"[{kind.upper()} 1]")
    assert clean.counts == {kind: 1}


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert redactor()(text) == text


def test_names_are_whole_words_of_any_case_and_spacing() -> None:
    clean = redactor(names=["Kyle", "Kyle Johnson", "Summit*Bridge"])
    assert clean("Kyle  JOHNSON of summit*bridge met kyle. Kyles did not.") == (
        "[NAME 1] of [NAME 2] met [NAME 3]. Kyles did not."
    )
    assert clean("kyle johnson") == "[NAME 1]", "the same person, the same pseudonym"


def test_only_the_kinds_wanted() -> None:
    assert redactor(kinds=["email"])("a@b.com 192.0.2.1") == "[EMAIL 1] 192.0.2.1"
    with pytest.raises(ValueError, match=r"kinds must be among .*, got \['face'\]\."):
        redactor(kinds=["face"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="names must not be empty"):
        redactor(names=[" "])


def test_same_thing_same_pseudonym_within_a_transcript_and_numbering_anew_in_the_next() -> None:
    def asked(*texts: str) -> Transcript:
        return Transcript(id="t", messages=tuple(Message(role="user", kind="text", text=text) for text in texts))

    first = redact_transcript(asked("a@b.com", "c@d.com and A@B.com", "+44 20 7946 0958 or +442079460958"))
    assert [m.text for m in first.messages] == ["[EMAIL 1]", "[EMAIL 2] and [EMAIL 1]", "[PHONE 1] or [PHONE 1]"]
    assert first.metadata["redacted"] == {"email": 3, "phone": 2}
    assert redact_transcript(asked("c@d.com")).messages[0].text == "[EMAIL 1]"


def test_a_transcript_keeps_its_shape_and_its_arguments_are_clean_too() -> None:
    call = tool_call("email", {"to": ["kyle@x.com"], "body": "Call 192.0.2.1", "n": 3, "deep": {"cc": "kyle@x.com"}})
    before = Transcript(id="t", messages=(call, Message(role="user", kind="text", text="", name="kyle@x.com")))
    after = redact_transcript(before)
    assert [(m.role, m.kind) for m in after.messages] == [(m.role, m.kind) for m in before.messages]
    assert after.messages[0].arguments == {
        "to": ["[EMAIL 1]"],
        "body": "Call [IP 1]",
        "n": 3,
        "deep": {"cc": "[EMAIL 1]"},
    }
    assert after.messages[1].name == "[EMAIL 1]"
    assert after.metadata["redacted"] == {"email": 2, "ip": 1}, "arguments repeat the text: counted once"
    assert "kyle@x.com" in before.messages[0].text


def test_the_setting_decides_the_version() -> None:
    settings = [Redaction(), Redaction(names=["A"]), Redaction(names=["B"]), Redaction(kinds=["email"])]
    assert len({setting.version for setting in settings}) == 4
    assert Redaction(names=["a b", "c"]) == Redaction(names=["c", "a  b"])


def test_it_is_what_label_studio_tasks_take() -> None:
    private = Transcript(id="t", messages=(Message(role="user", kind="text", text="I am a@b.com"),))
    task = task_of(private, round=1, redact=redactor())
    assert "a@b.com" not in str(task) and "[EMAIL 1]" in str(task) and task["data"]["redacted"] == 1


WORDS = st.sampled_from(
    ["so", "a@b.com", "Kyle", "192.0.2.1", "\n", "+44 20 7946 0958", "[EMAIL 1]", "é", "AKIAIOSFODNN7EXAMPLE"]
)


@given(st.lists(WORDS, max_size=12), st.data())
def test_every_place_has_its_way_back(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    done = with_pseudonyms(
        Transcript(id="t", messages=(Message(role="assistant", kind="text", text=text),)), Redaction(names=["Kyle"])
    )
    shown = done.transcript.messages[0].text
    assert "a@b.com" not in shown and "Kyle" not in shown
    start = data.draw(st.integers(0, len(shown)))
    end = data.draw(st.integers(start, len(shown)))
    back = done.restore(Evidence(message=0, start=start, end=end, quote=shown[start:end], verified=True))
    assert back.start is not None and back.end is not None and 0 <= back.start <= len(text)
    assert " ".join(back.quote.split()) == " ".join(text[back.start : back.end].split())
    # Redacting what was found gives what was quoted, where the quote cuts into no pseudonym.
    spans = done.spans[0]
    if start < end and not any(s.shown_start < p < s.shown_end for s in spans for p in (start, end)):
        rebuilt, reached = "", back.start
        for span in (s for s in spans if start <= s.shown_start and s.shown_end <= end):
            rebuilt += text[reached : span.start] + shown[span.shown_start : span.shown_end]
            reached = span.end
        assert rebuilt + text[reached : back.end] == shown[start:end]


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redactor()(text)
    assert redactor()(once) == once


@pytest.mark.parametrize(
    "piece", ["-----BEGIN PRIVATE KEY-----\n", "a@", "1 ", "0" * 40 + "g", "a.", ":", "(0", "sk-a"]
)
def test_hostile_text_takes_no_more_than_its_share_of_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.process_time()
    redactor(names=["Kyle Johnson"])(text)
    assert time.process_time() - start < 5
