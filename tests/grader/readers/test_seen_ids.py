"""An id that comes twice is found however long ago it was read, and no other is taken for it."""

from __future__ import annotations

import io
import json
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import InputError, read_transcripts
from grader.readers import seen_ids as seen
from grader.readers import uniqueness
from grader.readers.seen_ids import SeenIds

ids = st.text(st.characters(codec=None), max_size=3)  # half pairs of surrogates, too


@given(st.lists(ids, unique=True), ids, st.integers(1, 9))
def test_every_id_is_known_by_its_place_or_its_hash_and_no_other(known, other, recent):
    kept = SeenIds(recent=recent)
    assert not kept
    for number, id_ in enumerate(known):
        assert kept.place(id_) is None and not kept.may_hold(id_)
        kept.add(id_, str(number))
    for number, id_ in enumerate(known):
        assert kept.place(id_) == str(number) or kept.may_hold(id_)
    assert bool(kept) == bool(known)
    if other not in known:
        assert kept.place(other) is None and not kept.may_hold(other)


def test_old_ids_take_eight_bytes_in_few_arrays():
    kept = SeenIds(recent=10)
    for number in range(5_001):
        kept.add(f"id-{number}", "")
    sizes = [hashes.size for hashes in kept._old]
    assert sum(sizes) == 5_000 and all(a >= 2 * b for a, b in zip(sizes, sizes[1:], strict=False))
    assert all((np.diff(hashes) > 0).all() for hashes in kept._old)


def files(tmp_path, *names):
    for number, own in enumerate(names):
        chats = [json.dumps({"id": id_, "messages": [{"role": "user", "content": "Hi"}]}) for id_ in own]
        (tmp_path / f"{number}.jsonl").write_text("\n".join(chats) + "\n")
    return tmp_path


@pytest.fixture(params=[1, 3, 100])
def forgetful(request, monkeypatch):
    monkeypatch.setattr(uniqueness, "SeenIds", partial(SeenIds, recent=request.param))


def test_the_message_names_the_first_place_however_long_ago(tmp_path, forgetful):
    folder = files(tmp_path, "abcdef", "ghijkl", "mnobpq")
    found = []
    with pytest.raises(InputError, match=r"id 'b' is already that of .*0\.jsonl: transcript 2") as error:
        found.extend(t.id for t in read_transcripts(folder))
    assert found == list("abcdefghijklmno") and error.value.file == str(folder / "2.jsonl")
    assert error.value.record == "transcript 4"


def test_hashes_that_look_alike_end_nothing(tmp_path, forgetful, monkeypatch):
    monkeypatch.setattr(seen, "_digest", lambda id_: np.uint64(0))
    folder = files(tmp_path, "abc", "defgh")
    assert [t.id for t in read_transcripts(folder)] == list("abcdefgh")


def test_standard_input_cannot_be_read_again_and_is_named(forgetful, monkeypatch):
    chats = [json.dumps({"id": id_, "messages": [{"role": "user", "content": "Hi"}]}) for id_ in "abcdefa"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(chats).encode())))
    with pytest.raises(InputError, match=r"id 'a' is already that of (standard input|.*transcript 1)"):
        list(read_transcripts("-"))
