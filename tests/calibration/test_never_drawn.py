"""What a design could not draw has no label that speaks for it."""

import numpy as np
import pytest

from calibration import estimate_rate


@pytest.mark.parametrize("method", ["post-stratified", "likelihood-ratio"])
def test_transcripts_that_could_not_be_drawn_are_not_spoken_for(method):
    rng = np.random.default_rng(0)
    y, pi = np.full(1000, np.nan), np.zeros(1000)
    y[:100], pi[:100] = rng.random(100) < 0.3, 1
    found = estimate_rate(y, rng.random(1000) < 0.2, inclusion_probability=pi, method=method)
    assert np.isnan(found.rate)
    assert found.high > 0.9
    assert any("never drawn from" in note for note in found.notes)
