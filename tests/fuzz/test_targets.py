"""The fuzzing targets over their seeds, damaged copies of these, and everything that the fuzzer ever found."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from fuzz.targets import TARGETS
from readers_mutations import Seed, mutants

from grader.errors import InputError
from labels.label_studio.config import read_config

FOUND = Path(__file__).parent / "found"
MUTANTS = 150
# Seconds after which the fuzzer, too, calls an input a hang.
HANG = 5


@pytest.mark.parametrize("name", TARGETS)
def test_sound_and_damaged_inputs_raise_nothing_else(name: str, tmp_path: Path) -> None:
    if name == "service":
        pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
        pytest.importorskip("prometheus_client", reason="the extra 'serve' is not installed")
    target = TARGETS[name]
    attempt, seeds, rng = target.make(tmp_path), target.seeds(), random.Random(1)
    assert seeds
    for data in seeds:
        attempt(data)
    for at in range(MUTANTS):
        # The first byte chooses; it is kept, so that the damage meets the code that the seed was made for.
        chooser, rest = seeds[at % len(seeds)][:1], seeds[at % len(seeds)][1:]
        attempt(chooser + next(mutants(Seed(name, rest), 1, rng)))
    attempt(b"")


@pytest.mark.parametrize("path", sorted(FOUND.iterdir()), ids=lambda path: path.name)
def test_what_the_fuzzer_found_stays_mended(path: Path, tmp_path: Path) -> None:
    name = path.name.split("-")[0]
    attempt = TARGETS[name].make(tmp_path)  # which raises what a user must never see
    began = time.monotonic()
    attempt(path.read_bytes())
    assert time.monotonic() - began < HANG


def test_a_configuration_nested_too_deeply_is_refused_in_one_line(tmp_path: Path) -> None:
    deep = b'<Choice value="x">' * 50_000 + b"</Choice>" * 50_000
    with pytest.raises(InputError, match="nested too deeply"):
        read_config(f'<View><Taxonomy name="a" toName="t">{deep.decode()}</Taxonomy></View>')
