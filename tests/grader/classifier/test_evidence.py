"""What is said of scores: metrics, what drove them, and how unlike anything labelled a transcript is."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from grader.classifier import EmbeddingClassifier, explaining
from grader.classifier.bags import Bags
from grader.classifier.metrics import auroc, average_precision, resamples, sensitivity_at_five_percent
from grader.transcript import Transcript

from .conftest import WordEncoder, corpus, transcript


@pytest.mark.parametrize("decimals", [1, 6])
def test_metrics_are_scikit_learns_also_with_weights_and_ties(decimals):
    rng = np.random.default_rng(decimals)
    y = (rng.random(200) < 0.3).astype(float)
    score = np.round(rng.random(200) + 0.3 * y, decimals)
    weight = rng.integers(0, 4, (3, 200)).astype(float)
    for k, own in enumerate(weight):
        assert auroc(score, y, weight)[k] == pytest.approx(roc_auc_score(y, score, sample_weight=own))
        assert average_precision(score, y, weight)[k] == pytest.approx(
            average_precision_score(y, score, sample_weight=own)
        )
        fpr, tpr, _ = roc_curve(y, score, sample_weight=own, drop_intermediate=False)
        assert sensitivity_at_five_percent(score, y, weight)[k] == pytest.approx(tpr[fpr <= 0.05].max())


def test_groups_are_drawn_whole():
    weight = resamples(np.array([0, 0, 1, 2, 2, 2]), np.random.default_rng(0))
    assert (weight[0] == 1).all()
    assert (weight[:, 0] == weight[:, 1]).all() and (weight[:, 3] == weight[:, 5]).all()
    assert (weight[1:, [0, 2, 3]].sum(axis=1) == 3).all()


@pytest.fixture(scope="module")
def fitted():
    transcripts, y = corpus()
    return EmbeddingClassifier(WordEncoder()).fit(transcripts, {"blackmail": y})


def test_the_threat_drove_the_score(fitted):
    (verdict,) = fitted.grade([transcript(0, "threaten wife affair before noon")])
    strongest = verdict.usage["segments"][0]
    assert verdict.present and strongest["message"] == 2 and strongest["weight"] > 0


@pytest.mark.parametrize("at_once", [1, 65_536])
def test_weights_are_what_is_lost_without_a_segment(fitted, monkeypatch, at_once):
    monkeypatch.setattr(explaining, "_MOST_AT_ONCE", at_once)
    seen, _ = corpus(n=30)
    fresh, _ = corpus(n=30, seed=3)
    empty = Transcript(id="e", messages=())
    verdicts = list(fitted.grade([*seen, empty, *fresh]))
    model, bags = fitted.harms_["blackmail"], fitted._bagger.bags([*seen, empty, *fresh])
    fold = fitted._chunk([*seen, empty, *fresh]).head
    for i, verdict in enumerate(verdicts):
        assert ("segments" in verdict.usage) == (verdict.present is True)
        falls = {}
        for k, segment in enumerate(bags.segments[i]):
            rest = Bags(bags.table, [np.delete(bags.rows[i], k)], [bags.segments[i][:k] + bags.segments[i][k + 1 :]])
            whole, without = (model.log_odds(b, np.array([fold[i]]))[0] for b in (bags.take([i]), rest))
            falls[segment.message, segment.start, segment.end] = whole - without
        strongest = verdict.usage.get("segments", [])
        for segment in strongest:
            assert segment["weight"] == pytest.approx(
                falls[segment["message"], segment["start"], segment["end"]], abs=1e-4
            )
        if strongest:
            assert strongest[0]["weight"] == pytest.approx(max(falls.values()), abs=1e-4)
    assert sum("segments" in v.usage for v in verdicts) > 10


def test_what_is_unlike_anything_labelled_is_told(fitted, tmp_path):
    fresh, _ = corpus(seed=9)
    alien = transcript(0, " ".join(f"zyx{i}" for i in range(60)))
    assert np.mean(fitted.unlikeness(fresh) <= 1) > 0.9
    assert fitted.unlikeness([alien])[0] > 1
    fitted.save(tmp_path / "c")
    loaded = EmbeddingClassifier.load(tmp_path / "c", model=WordEncoder(), harms=["leaking"])
    assert loaded.unlikeness([alien]) == pytest.approx(fitted.unlikeness([alien]))
    assert loaded.differences_ == ["trained for blackmail, asked for leaking"]


def test_another_model_by_name_is_told_before_it_is_used(fitted, tmp_path):
    fitted.save(tmp_path / "c")
    loaded = EmbeddingClassifier.load(tmp_path / "c", model="some/other")
    assert loaded.differences_ == ["trained with model words-64, asked for some/other"]


def test_whose_labels_were_learned_is_in_every_verdict_and_on_the_card(tmp_path):
    transcripts, y = corpus()
    for teacher, words in (("human", "labels by humans"), ("judge", "labels by an LLM judge, not by humans")):
        classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y}, trained_on=teacher)
        assert {v.usage["trained_on"] for v in classifier.grade(transcripts[:3])} == {teacher}
        classifier.save(tmp_path / teacher)
        assert words in (tmp_path / teacher / "README.md").read_text()
