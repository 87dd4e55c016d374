"""The head of a fold is chosen on the other folds alone."""

import numpy as np
import pytest

from grader.classifier.bags import Bagger
from grader.classifier.heads import DEFAULT, HEADS
from grader.classifier.select_head import choose_heads

from .conftest import WordEncoder, corpus

N_FOLDS = 3


@pytest.fixture(scope="module")
def bags():
    return Bagger(WordEncoder(), None).bags(corpus(n=60)[0])


def test_labels_of_a_fold_do_not_move_its_own_choice(bags):
    rng = np.random.default_rng(1)
    y, fold = (rng.random(60) < 0.4).astype(float), np.arange(60) % N_FOLDS
    before = choose_heads(bags, y, fold, N_FOLDS)
    for k in range(N_FOLDS):
        other = np.where(fold == k, 1 - y, y)
        after = choose_heads(bags, other, fold, N_FOLDS)
        assert after[k] == before[k]
        assert any(after[j] != before[j] for j in range(N_FOLDS) if j != k), "the labels matter elsewhere"


def test_a_fold_whose_others_cannot_be_split_takes_the_default(bags):
    y, fold = np.zeros(60), np.arange(60) % N_FOLDS
    y[fold == 0] = 1.0
    choices = choose_heads(bags, y, fold, N_FOLDS)
    assert [choice.head for choice in choices] == [DEFAULT] * N_FOLDS
    assert (choices[0].slope, choices[0].intercept) == (1.0, 0.0) and DEFAULT in HEADS
