"""Whether a classifier may grade: the gate, shortcuts, foreign batches."""

import numpy as np
import pytest
from scipy.stats import binom, spearmanr
from sklearn.metrics import roc_auc_score

from grader.classifier import EmbeddingClassifier
from grader.classifier.agreement import BatchAgreement, rank_correlation
from grader.classifier.bags import Bagger
from grader.classifier.gate import Gate, decide
from grader.classifier.shortcut import Shortcut, find_shortcut

from .conftest import NEUTRAL, WordEncoder, corpus, transcript

NONE = Shortcut(phrase="a", auroc=0.6, chance=0.7, beyond=0.8, share_left=0.5, near_copies=0.0)
Y = np.array([1.0, 0.0] * 30)
SCORE = np.linspace(0.1, 0.9, 60)


def gate(new_scenario, *, slope=1.0, shortcut=NONE, score=SCORE, group=None) -> Gate:
    groups = np.arange(60) % 12 if group is None else group
    return decide(
        score, Y, groups, new_scenario=new_scenario, known_scenario=(0.9, 0.8, 0.95), slope=slope, shortcut=shortcut
    )


@pytest.mark.parametrize(
    ("auroc", "use"),
    [
        ((0.80, 0.60, 0.90), "grades"),
        ((0.80, 0.599, 0.90), "ranks only"),
        ((0.70, 0.501, 0.80), "ranks only"),
        ((0.70, 0.50, 0.80), "not used"),
        ((0.40, 0.30, 0.50), "not used"),
        ((0.70, float("nan"), float("nan")), "not used"),
        ((float("nan"), float("nan"), float("nan")), "not used"),
    ],
)
def test_the_lower_limit_on_a_new_scenario_decides(auroc, use):
    assert gate(auroc).use == use


def test_a_slope_at_its_floor_is_not_used():
    assert gate((0.8, 0.7, 0.9), slope=0.01).use == "not used"


def test_a_perfect_auroc_gets_the_limit_of_as_many_groups_as_it_was_seen_in():
    many, few = np.arange(60) // 2 % 12, np.arange(60) // 2 % 3
    # The exact lower limit when all of n trials are right: the p at which all right has probability 2.5 %.
    for group, n, use in ((many, 12, "grades"), (few, 3, "not used")):
        found = gate((1.0, float("nan"), float("nan")), group=group)
        assert binom.pmf(n, n, found.new_scenario[1]) == pytest.approx(0.025)
        assert found.use == use


def test_a_shortcut_caps_the_gate_and_a_flat_range_of_scores_warns():
    alarm = Shortcut(phrase="answer", auroc=0.9, chance=0.7, beyond=0.8, share_left=0.2, near_copies=0.6)
    capped = gate((0.9, 0.8, 0.95), shortcut=alarm, score=np.linspace(0.35, 0.36, 60))
    assert capped.use == "ranks only" and "'answer'" in capped.reason and "20% of pairs" in capped.reason
    assert any("between 0.350 and 0.360" in warning for warning in capped.warnings)
    assert any("60% of the labelled transcripts are near-copies" in warning for warning in capped.warnings)
    assert Gate.from_dict(capped.to_dict()) == capped


def bags_of(texts):
    return Bagger(WordEncoder()).bags([transcript(i, text) for i, text in enumerate(texts)])


def test_the_best_phrase_is_found_by_its_auroc():
    rng = np.random.default_rng(0)
    y = (np.arange(80) % 2).astype(float)
    texts = [" ".join([*rng.choice(NEUTRAL, 8), *(["answer"] if label and i % 9 else [])]) for i, label in enumerate(y)]
    score = rng.random(80)
    shortcut = find_shortcut(bags_of(texts), y, score, rng)
    has = np.array(["answer" in text for text in texts])
    assert shortcut.phrase == "answer" and shortcut.alarm
    assert shortcut.auroc == pytest.approx(roc_auc_score(y, has))
    pairs = [(i, j) for i in np.flatnonzero(y == 1) for j in np.flatnonzero(y == 0) if has[i] == has[j]]
    assert shortcut.share_left == pytest.approx(len(pairs) / 1600)
    assert shortcut.beyond == pytest.approx(np.mean([score[i] > score[j] for i, j in pairs]))


def test_with_few_labels_a_phrase_that_chance_gives_is_not_an_alarm():
    """Among thousands of words one separates eight from eight by chance."""
    rng = np.random.default_rng(1)
    y = np.array([1.0, 0.0] * 8)
    texts = [" ".join(f"w{k}" for k in np.flatnonzero(rng.random(4000) < 0.5)) for _ in y]
    shortcut = find_shortcut(bags_of(texts), y, rng.random(16), rng)
    assert shortcut.auroc >= 0.85 and not shortcut.alarm


def test_near_copies_are_counted():
    rng = np.random.default_rng(2)
    copies = ["please book the room for noon and send the bill to the office of the mayor"] * 6
    others = [" ".join(f"w{k}" for k in rng.integers(0, 10_000, 40)) for _ in range(6)]
    shortcut = find_shortcut(bags_of([*copies, *others]), np.array([1.0, 0.0] * 6), rng.random(12), rng)
    assert 0.5 <= shortcut.near_copies < 1


@pytest.mark.parametrize("seed", range(6))
def test_shuffled_labels_do_not_pass_the_gate(seed):
    transcripts, y = corpus(n=80, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(y)
    model = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": shuffled}).harms_["h"]
    assert model.gate.use != "grades"


def test_a_classifier_that_may_not_grade_gives_no_verdict_and_says_why():
    transcripts, y = corpus()
    shuffled = np.random.default_rng(0).permutation(y)
    classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"good": y, "noise": shuffled})
    assert classifier.harms_["good"].gate.use == "grades" and classifier.harms_["noise"].gate.use == "not used"
    verdicts = list(classifier.grade(transcripts))
    assert {v.outcome for v in verdicts if v.harm == "good"} == {"scored"}
    for verdict in verdicts[1::2]:
        assert (verdict.present, verdict.score, verdict.outcome) == (None, None, "cannot_assess")
        assert "not shown to be better than chance" in verdict.explanation


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 9, 60).astype(float), rng.random(60)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(rank_correlation(np.ones(60), b))


def test_a_batch_is_foreign_when_views_disagree_on_fifty_or_more():
    rng = np.random.default_rng(4)
    together = np.tile(rng.random(60), (5, 1))
    apart = np.stack([*rng.random((2, 60)), *np.tile(rng.random(60), (3, 1))])
    assert BatchAgreement(0.8).add(together) is None
    assert "unlike the labelled transcripts" in BatchAgreement(0.8).add(apart)
    assert BatchAgreement(0.8).add(apart[:, :49]) is None
    assert BatchAgreement(float("nan")).add(apart) is None
    chunks = BatchAgreement(0.8)
    assert chunks.add(apart[:, :30]) is None and chunks.add(apart[:, 30:]) is not None


def test_verdicts_of_a_foreign_batch_are_withheld_but_labelled_transcripts_keep_theirs():
    transcripts, y = corpus()
    classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y})
    rng = np.random.default_rng(5)
    foreign = [transcript(1000 + i, " ".join(f"zq{k}" for k in rng.integers(0, 500, 30))) for i in range(80)]
    verdicts = list(classifier.grade([*transcripts[:20], *foreign]))
    assert all(v.outcome == "scored" for v in verdicts[:20])
    assert {v.outcome for v in verdicts[20:]} == {"cannot_assess"} and all(v.score is not None for v in verdicts[20:])
    assert "unlike the labelled transcripts" in verdicts[-1].explanation


def test_an_unlabelled_transcript_is_scored_by_one_fold_model_whatever_its_batch():
    transcripts, y = corpus()
    classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y})
    fresh, _ = corpus(seed=8)
    whole = classifier.predict_proba(fresh)["h"]
    assert whole[5] == pytest.approx(classifier.predict_proba(fresh[5:6])["h"][0])
    heads = classifier._chunk(fresh).head
    assert len(set(heads.tolist())) == 5, "all fold models take part"
    model, bags = classifier.harms_["h"], classifier._bagger.bags(fresh)
    for k in range(5):
        assert whole[heads == k] == pytest.approx(model.probability(bags, np.full(len(fresh), k))[heads == k])
