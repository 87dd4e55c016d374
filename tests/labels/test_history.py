"""A history of labels only grows, and says what counts now."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import InputError
from labels.history import IDENTITY, SAID, current, grow, held_back, read_history
from labels.read import read_labels

PROJECT = "1 2026-01-01T00:00:00Z"


def row(annotation: str = "5", label: float = 1.0, **more: object) -> dict[str, object]:
    status = "unsure" if label != label else "definite"
    base = {
        "project": PROJECT,
        "kind": "annotation",
        "annotation": annotation,
        "harm": "leaking",
        "transcript_id": "t1",
        "rater": "2",
        "label": label,
        "status": status,
        "source": "annotation",
        "round": 1,
        "updated_at": "2026-01-01T00:00:01Z",
        "result": "[]",
    }
    return base | more


def table(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def counting(path: Path) -> list[tuple[str, float]]:
    return sorted(current(read_history(path))[["annotation", "label"]].itertuples(index=False, name=None))


def test_the_same_again_adds_nothing_and_does_not_write(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    first = grow(path, table(row(), row("6", float("nan"))), whole=PROJECT)
    before = path.read_bytes()
    second = grow(path, table(row(), row("6", float("nan"))), whole=PROJECT)
    assert (first.new, first.changed, first.gone) == (2, 0, 0)
    assert (second.new, second.changed, second.gone) == (0, 0, 0)
    assert path.read_bytes() == before


def test_an_edit_is_a_new_version_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    for label, when in ((1.0, "a"), (0.0, "b"), (1.0, "c")):
        grow(path, table(row(label=label, updated_at=when)), whole=PROJECT)
    assert counting(path) == [("5", 1.0)]
    assert read_history(path)["label"].tolist() == [1.0, 0.0, 1.0]


def test_what_vanished_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    grow(path, table(row(), row("6", 0.0, rater="3")), whole=PROJECT)
    growth = grow(path, table(row()), whole=PROJECT)
    assert (growth.new, growth.changed, growth.gone) == (0, 0, 1)
    assert counting(path) == [("5", 1.0), ("6", 0.0)]
    emptied = grow(path, table(), whole=PROJECT)
    assert emptied.gone == 1
    assert counting(path) == [("5", 1.0), ("6", 0.0)]
    back = grow(path, table(row(), row("6", 0.0, rater="3")), whole=PROJECT)
    assert (back.new, back.changed, back.gone) == (0, 2, 0)


def test_a_rater_who_deleted_and_answered_anew_has_one_answer(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    grow(path, table(row()), whole=PROJECT)
    grow(path, table(row("9", 0.0)), whole=PROJECT)
    assert counting(path) == [("9", 0.0)]
    assert len(read_history(path)) == 3
    assert read_labels(path).consensus()["y"].tolist() == [0.0]


def test_a_part_of_a_project_makes_nothing_vanish(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    grow(path, table(row(), row("6", 0.0, rater="3")))
    assert grow(path, table(row())).gone == 0


def test_draft_and_annotation_of_one_number_are_two(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    grow(path, table(row(), row(kind="draft", status="draft")), whole=PROJECT)
    assert len(current(read_history(path))) == 2
    assert read_labels(path).frame["status"].tolist() == ["definite"]


def test_what_is_held_back_is_kept_and_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    grow(path, table(row(), row("6", transcript_id="t2", held="the task was edited")), whole=PROJECT)
    assert counting(path) == [("5", 1.0)]
    assert held_back(read_history(path)) == {"the task was edited": 1}
    grow(path, table(row(), row("6", transcript_id="t2")), whole=PROJECT)
    assert len(counting(path)) == 2
    assert held_back(read_history(path)) == {}


@pytest.mark.parametrize("content", [b"PAR1 no table", b""])
def test_what_is_no_history_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"labels.parquet: cannot be read"):
        grow(path, table(row()))
    assert path.read_bytes() == content


def test_a_plain_table_of_labels_is_no_history(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"transcript_id": ["t"], "harm": ["h"], "rater": ["r"], "label": [1.0]}).to_parquet(path)
    with pytest.raises(InputError, match="no history of pulled labels"):
        grow(path, table(row()))


def test_two_pulls_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    threads = [threading.Thread(target=grow, args=(path, table(row(str(i), transcript_id=f"t{i}")))) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_history(path)["annotation"]) == sorted(map(str, range(12)))


states = st.dictionaries(
    st.sampled_from([str(i) for i in range(4)]), st.sampled_from([1.0, 0.0, float("nan")]), max_size=4
)


@settings(max_examples=30)  # each writes up to six files
@given(st.lists(states, min_size=1, max_size=6))
def test_every_state_that_was_pulled_can_be_read_from_the_history(tmp_path_factory, pulls) -> None:
    """Brute force: after each pull the present labels are the server's, and every version ever seen is a row."""
    path = tmp_path_factory.mktemp("history") / "labels.parquet"
    seen: set[tuple[str, float]] = set()
    latest: dict[str, float] = {}
    for state in pulls:
        grow(path, table(*(row(a, y, rater=a, transcript_id=a) for a, y in state.items())), whole=PROJECT)
        latest |= state
        seen |= {(a, -1.0 if np.isnan(y) else y) for a, y in state.items()}
        history = read_history(path)
        now = current(history)
        assert dict(zip(now["annotation"], now["label"].fillna(-1.0), strict=True)) == {
            a: -1.0 if np.isnan(y) else y for a, y in latest.items()
        }
        assert set(zip(history["annotation"], history["label"].fillna(-1.0), strict=True)) == seen
        told = history[[*IDENTITY, *SAID]].astype(str)
        after = told.groupby(IDENTITY)[SAID].shift()
        assert not (told[SAID] == after).all(axis=1).any()
