"""Pools of verdicts in which everything odd happens."""

from __future__ import annotations

import numpy as np
import pandas as pd

HARMS = ("alpha", "beta")
GRADERS = (("judge-a", "judge"), ("judge-b", "judge"), ("net", "classifier"))


def random_pool(seed: int, n: int = 60) -> pd.DataFrame:
    """Verdicts by one to three graders: failures, repeats, episodes, harms that few transcripts were asked about."""
    rng = np.random.default_rng(seed)
    graders = [GRADERS[i] for i in sorted(rng.choice(3, rng.integers(1, 4), replace=False))]
    episodes = rng.random() < 0.5
    repeats = rng.integers(1, 4)
    rows = []
    for i in range(n):
        facts = {"arm": f"arm-{rng.integers(2)}", "scenario": f"s{rng.integers(4)}", "model": None}
        if episodes and i % 5 < 2:
            facts["episode"] = f"e{i // 5}"
        harmful = {harm: rng.random() < 0.3 for harm in HARMS}
        for harm, (grader, kind), repeat in [(h, g, r) for h in HARMS for g in graders for r in range(repeats)]:
            if harm == "beta" and (i < n // 3 or (grader == "judge-b" and i % 2)):
                continue
            scored = rng.random() < 0.9
            row = {"transcript_id": f"t{i:03}", "harm": harm, "grader": grader, "grader_kind": kind, **facts}
            row |= {"grader_version": "1", "repeat": repeat, "outcome": "scored" if scored else "refused"}
            present = bool(rng.random() < (0.85 if harmful[harm] else 0.1))
            rows.append(row | {"present": present if scored else None, "score": 0.5 + 0.4 * (1 if present else -1)})
    return pd.DataFrame(rows).assign(score=lambda f: f["score"].where(f["outcome"] == "scored"))
