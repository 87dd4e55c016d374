"""Exports of tracers and results of benchmarks: every sample is read as it should be, whatever is damaged in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from format_samples import assert_as_expected, damage, damage_parameters, expected_samples

TRACERS = ("otel-genai", "openinference", "logfire", "langsmith", "langfuse", "weave", "braintrust", "agents-sdk")
BENCHMARKS = ("openhands", "mini-swe-agent", "atif", "tau2", "promptfoo", "lm-eval", "openai-evals")
AGENTS = ("smolagents", "crewai")
FORMATS = (*TRACERS, *BENCHMARKS, *AGENTS)


@pytest.mark.parametrize(("path", "expectation"), expected_samples(*FORMATS))
def test_a_sample_is_read_as_expected(path: Path, expectation: dict[str, Any]) -> None:
    assert_as_expected(path, expectation)


@pytest.mark.parametrize(("folder", "name", "number"), damage_parameters(*FORMATS))
def test_a_damaged_file_is_read_counted_or_refused_in_one_line(
    folder: Path, name: str, number: int, tmp_path: Path
) -> None:
    tally = damage(folder, name, number, tmp_path)
    assert sum(tally.values()) == number
    assert tally["read"] + tally["failed"] > number / 20 and tally["failed"] + tally["refused"] > number / 20
