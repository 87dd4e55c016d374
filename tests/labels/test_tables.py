"""Labels in plain tables: the same labels whatever the file."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from grader.errors import InputError
from labels import read_labels

ROWS = [
    {"transcript_id": "01", "harm": "leaking", "rater": "ana", "label": "yes", "created_at": "2026-11-01T10:00:00Z"},
    {"transcript_id": "01", "harm": "leaking", "rater": "bo", "label": "0", "created_at": "2026-11-02T10:00:00Z"},
    {"transcript_id": "2", "harm": "leaking", "rater": "ana", "label": "unsure", "created_at": None},
]


def written(folder: Path, suffix: str) -> Path:
    path, table = folder / f"labels{suffix}", pd.DataFrame(ROWS)
    match suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        case ".parquet":
            table.to_parquet(path)
        case _:
            table.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_kind_of_table_gives_the_same_labels(tmp_path, suffix):
    frame = read_labels(written(tmp_path, suffix)).frame.sort_values(["transcript_id", "rater"])
    assert frame[["transcript_id", "rater"]].values.tolist() == [["01", "ana"], ["01", "bo"], ["2", "ana"]]
    assert frame["label"].tolist()[:2] == [1.0, 0.0] and frame["label"].isna().tolist() == [False, False, True]
    assert frame["created_at"].notna().tolist() == [True, True, False]


def test_a_broken_line_is_refused_in_one_line(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"transcript_id": "a"\n')
    with pytest.raises(InputError, match="line 1: is not JSON"):
        read_labels(path)
