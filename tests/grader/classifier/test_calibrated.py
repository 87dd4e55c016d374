"""A rate may rest on a classifier that learned the very labels it rests on: it never scores by what saw them."""

import numpy as np
from scipy.stats import binom

from calibration import estimate_rate
from grader.classifier import EmbeddingClassifier

from .conftest import WordEncoder, transcript

N, N_LABELED, RATE, N_STUDIES = 300, 120, 0.3, 60


def test_the_interval_covers_though_the_classifier_was_trained_on_the_labels():
    rng = np.random.default_rng(5)
    pool = [transcript(i, " ".join(rng.choice([f"w{k}" for k in range(30)], 8))) for i in range(N)]
    encoder, covered, memorised = WordEncoder(), 0, []
    for _ in range(N_STUDIES):
        # Labels without any signal: all that a head can learn of them is memory.
        y = (rng.random(N) < RATE).astype(float)
        label = np.full(N, np.nan)
        drawn = rng.choice(N, N_LABELED, replace=False)
        label[drawn] = y[drawn]
        classifier = EmbeddingClassifier(encoder).fit(pool, {"h": label})
        model = classifier.harms_["h"]
        flagged = (classifier.predict_proba(pool)["h"] >= model.threshold).astype(float)
        found = estimate_rate(label, flagged, inclusion_probability=np.full(N, N_LABELED / N))
        covered += found.low <= RATE <= found.high
        chunk = classifier._chunk([pool[i] for i in drawn])
        seen = model.log_odds(chunk.bags, (chunk.head + 1) % len(model.heads))
        memorised.append(seen[y[drawn] == 1].mean() - seen[y[drawn] == 0].mean())
    assert binom.cdf(covered, N_STUDIES, 0.9) > 0.01, f"{covered} of {N_STUDIES}"
    assert min(memorised) > 0, "the heads did memorise what they saw"
