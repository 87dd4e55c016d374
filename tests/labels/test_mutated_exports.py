"""Damaged exports end in a LabelSet or in one line that says what is wrong."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from readers_mutations import mutants, seeds

from grader.errors import InputError
from labels import LabelSet, read_label_studio
from labels.label_studio.importing import import_labels
from labels.meaning import LabelMeaning, Rest

HARMS = ("blackmail", "leaking", "deception")
REFUSAL = {"refusal": {"refusal": ["2_full_refusal", "3_partial_refusal"]}}


def outcome(path: Path, control_map: dict[str, dict[str, list[str]]] | None) -> str:
    rest: Rest = "error" if control_map is None else "no"
    try:
        labels = read_label_studio(path, control_map=control_map, rest=rest, harms=HARMS)
    except InputError as refusal:
        assert str(refusal).startswith(str(path))
        assert "\n" not in str(refusal)
        assert len(str(refusal)) < 2000
        return "refused"
    assert isinstance(labels, LabelSet)
    assert set(labels.consensus()["y"].dropna()) <= {0.0, 0.5, 1.0}
    history = path.with_name("labels.parquet")
    growth, _ = import_labels(path, history, LabelMeaning(control_map=control_map, rest=rest, harms=HARMS))
    history.unlink()
    assert growth.new == len(growth.frame) > 0
    return "read"


@pytest.mark.parametrize("number", [300, pytest.param(5_000, marks=pytest.mark.slow)])
def test_damaged_exports(shared_data: Path, tmp_path: Path, number: int) -> None:
    sound = [seed for seed in seeds(shared_data / "label_studio_exports") if not seed.name.endswith(".xml")]
    assert len(sound) > 30
    rng = random.Random(number)
    tally: Counter[str] = Counter()
    for at in range(number):
        seed = sound[at % len(sound)]
        path = tmp_path / Path(seed.name).name
        path.write_bytes(next(mutants(seed, 1, rng)))
        tally[outcome(path, REFUSAL if "xstest" in seed.name else None)] += 1
    assert sum(tally.values()) == number
    assert min(tally["read"], tally["refused"]) > number / 10  # the damage is neither nothing nor all
