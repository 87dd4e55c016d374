import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.classifier.segments import Segmenter, even_windows
from grader.transcript import Message, Transcript

from .conftest import PROMPT, WordEncoder, transcript


def cut(text, limit=10, kind="text"):
    message = Message(role="assistant", kind=kind, text=text)
    return Segmenter(WordEncoder(max_tokens=limit)).cut([Transcript(id="a", messages=(message,))])[0]


@given(st.lists(st.integers(1, 6), max_size=60), st.integers(6, 20))
def test_windows_cover_every_word_once_and_keep_the_limit(counts, limit):
    starts = np.arange(len(counts)) * 10
    spans = np.column_stack([starts, starts + 9, counts]).astype(np.int64).reshape(-1, 3)
    windows = even_windows(spans, limit)
    held = [[n for (s, e, n) in spans.tolist() if lo <= s and e <= hi] for lo, hi in windows]
    assert [n for words in held for n in words] == counts
    assert all(0 < sum(words) <= limit for words in held)


def test_windows_are_even_and_as_few_as_can_be():
    spans = np.array([[i, i + 1, 1] for i in range(101)])
    sizes = [end - start for start, end in even_windows(spans, 100)]
    assert sizes == [51, 50]


@given(st.text(alphabet="ab \n.é", max_size=200))
def test_spans_point_at_the_words(text):
    for segment in cut(text):
        assert segment.text == f"assistant: {text[segment.start : segment.end]}"
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", "".join(text[s.start : s.end] for s in cut(text)))


def test_channel_and_tool_are_words_of_the_segment():
    first, second, third = Segmenter(WordEncoder()).cut([transcript(1, "to: k")])[0][-3:]
    assert first.text.startswith("system: ")
    assert second.text.startswith("assistant thinks: What")
    assert third.text == "assistant calls email: to: k"


def test_a_shared_prompt_gives_equal_segments():
    a, b = Segmenter(WordEncoder(max_tokens=12)).cut([transcript(1, "x"), transcript(2, "y " * 40)])
    n = sum(s.message == 0 for s in a)
    assert n > 1
    assert [s.text for s in a[:n]] == [s.text for s in b[:n]]
    assert "".join(PROMPT.split()) == "".join(PROMPT[s.start : s.end].replace(" ", "") for s in a[:n])


def test_empty_messages_have_no_segment():
    assert cut("") == [] and cut(" \n ") == []
