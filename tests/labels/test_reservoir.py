"""Samples of pools in shards: the probabilities of `draw_sample`, whatever the order of shards; unbiased."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grader.errors import InputError
from grader.verdict.coded import id_keys
from labels.sampling.designs import draw_sample, read_design, write_design, write_design_parts
from labels.sampling.draws import draws_of, read_draws
from labels.sampling.reservoir import Candidates, Reservoir, sample_shards
from labels.sampling.rounds import DESIGN_COLUMNS
from labels.sampling.strata import candidate_strata

KEY = "0123456789abcdef"


def candidates(n: int = 60, seed: int = 0) -> pd.DataFrame:
    """Two graders' flags of every transcript; some are not scored."""
    rng = np.random.default_rng(seed)
    rows = [
        {"transcript_id": f"t{i:04}", "harm": "leaking", "grader": grader, "flagged": said}
        for i in range(n)
        for grader in ("judge", "net")
        for said in [rng.choice([True, False, None], p=[0.25, 0.65, 0.1])]
    ]
    return pd.DataFrame(rows)


def parts_of(frame: pd.DataFrame, design: str = "uniform") -> Candidates:
    """The strata of some transcripts."""
    rows = candidate_strata(frame, design, 0)
    return Candidates.of(rows["transcript_id"], rows["stratum"])


def in_shards(frame: pd.DataFrame, n: int, seed: int, design: str = "uniform") -> list[Candidates]:
    """All rows of a transcript in one of `n` shards, rows and shards in any order."""
    rng = np.random.default_rng(seed)
    home = {id_: rng.integers(n) for id_ in frame["transcript_id"].unique()}
    mixed = frame.sample(frac=1, random_state=seed)
    return [parts_of(part, design) for _, part in mixed.groupby(mixed["transcript_id"].map(home), sort=False)]


def frame_of(shards, sample, harms=("leaking",)) -> pd.DataFrame:
    return pd.concat([sample.rows(shard, harms).to_pandas() for shard in shards], ignore_index=True)


PILOT = {"flagged": 0.4, "not flagged": 0.05, "unscored": 0.5}


@pytest.mark.parametrize("design", ["uniform", "flagged-10", "flagged-40", "disagree-25", "stratified", "neyman"])
@pytest.mark.parametrize("n", [3, 17, 60])
def test_probabilities_and_strata_are_those_of_the_draw_in_memory(design, n):
    pool, pilot = candidates(), PILOT if design == "neyman" else None
    rng = np.random.default_rng(1)
    whole = draw_sample(pool, n, design=design, rng=rng, harms=["leaking"], pilot=pilot)
    shards = in_shards(pool, 5, seed=2, design=design)
    sample = sample_shards(shards, n, design=design, rng=rng, pilot=pilot)
    frame = frame_of(shards, sample)
    assert tuple(frame.columns) == DESIGN_COLUMNS
    known = ["transcript_id", "harm", "stratum", "inclusion_probability", "round"]
    ours, theirs = (f.sort_values("transcript_id")[known].reset_index(drop=True) for f in (frame, whole))
    pd.testing.assert_frame_equal(ours.astype(theirs.dtypes), theirs)
    assert frame["drawn"].sum() == len(sample.drawn) == n
    assert frame[frame["drawn"]].groupby("stratum").size().to_dict() == {k: v for k, v in sample.n_drawn.items() if v}


@pytest.mark.parametrize("design", ["uniform", "flagged-25", "disagree-25"])
def test_the_sample_does_not_depend_on_the_shards(design):
    pool = candidates(200)
    drawn = {
        sample_shards(in_shards(pool, n, seed=n, design=design), 30, design=design, rng=np.random.default_rng(4)).drawn
        for n in (1, 2, 7, 50)
    }
    assert len(drawn) == 1
    other = sample_shards(
        in_shards(pool, 3, seed=0, design=design), 30, design=design, rng=np.random.default_rng(5)
    ).drawn
    assert other not in drawn


def test_reservoirs_merge():
    pool = [f"t{i}" for i in range(100)]
    whole, first, second = Reservoir(9, KEY), Reservoir(9, KEY), Reservoir(9, KEY)
    whole.add(Candidates.of(pool, ["all"] * 100))
    first.add(Candidates.of(pool[:3], ["all"] * 3))
    second.add(Candidates.of(pool[3:], ["all"] * 97))
    second.merge(first)
    assert second.sizes == whole.sizes
    assert second.smallest("all", 9) == whole.smallest("all", 9)
    with pytest.raises(ValueError, match="key and n"):
        second.merge(Reservoir(9, "fedcba9876543210"))


def test_a_transcript_in_two_shards_is_refused():
    with pytest.raises(ValueError, match="each transcript once, got 't0000' twice"):
        sample_shards([parts_of(candidates(5)), parts_of(candidates(1))], 5, rng=np.random.default_rng(0))


def test_every_transcript_and_every_pair_is_drawn_as_often_as_promised():
    """4,000 draws of 6 of 15: 5 standard errors about n / N and n (n - 1) / (N (N - 1)), all at once."""
    pool = np.array([f"run-{i}" for i in range(15)], dtype=object)
    draws = 4_000
    got = np.zeros((draws, 15))
    for number, row in enumerate(got):
        reservoir = Reservoir(6, f"{number:016x}")
        reservoir.add(Candidates.of(pool, ["all"] * 15))
        row[:] = np.isin(pool, reservoir.smallest("all", 6))
    together = got.T @ got / draws
    single, pair = 6 / 15, 6 * 5 / (15 * 14)
    expected = np.where(np.eye(15, dtype=bool), single, pair)
    assert (abs(together - expected) < 5 * np.sqrt(expected * (1 - expected) / draws)).all()


def test_the_weighted_mean_is_unbiased():
    pool = candidates(80, seed=3)
    harmful = pd.Series(np.random.default_rng(6).random(80) < 0.3, index=pool["transcript_id"].unique())
    rng, weight, part = np.random.default_rng(7), None, parts_of(pool, "flagged-40")
    found = []
    for _ in range(200):
        sample = sample_shards([part], 24, design="flagged-40", rng=rng)
        if weight is None:
            weight = 1 / frame_of([part], sample).set_index("transcript_id")["inclusion_probability"]
        drawn = sorted(sample.drawn)
        found.append((harmful[drawn] * weight[drawn]).sum() / 80)
    assert abs(np.mean(found) - harmful.mean()) < 4 * np.std(found) / np.sqrt(len(found))


def test_a_later_round_draws_others_of_the_same_strata():
    pool = candidates(100)
    shards, rng = in_shards(pool, 4, seed=3, design="flagged-25"), np.random.default_rng(2)
    first = sample_shards(shards, 30, design="flagged-25", rng=rng)
    earlier = frame_of(shards, first)
    second = sample_shards(shards, 30, design="flagged-25", round=2, rng=rng, earlier=earlier)
    assert not first.drawn & second.drawn
    whole = draw_sample(pool, 30, design="flagged-25", round=2, rng=rng, earlier=earlier, harms=["leaking"])
    of_whole = whole.groupby("stratum")["inclusion_probability"].first()
    assert {s: second.n_drawn[s] / second.n_transcripts[s] for s in second.n_drawn} == pytest.approx(of_whole.to_dict())
    other = sample_shards(in_shards(pool, 4, seed=3), 90, round=2, rng=rng, earlier=earlier)
    assert first.drawn & other.drawn, "of other strata: independent of the first round"


def test_rounds_with_one_seed_draw_different_transcripts():
    shards = in_shards(candidates(200), 4, seed=3)
    one, two = (sample_shards(shards, 20, round=r, rng=np.random.default_rng(0)).drawn for r in (1, 2))
    assert len(one & two) < 15


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n": 0}, "at least 1"),
        ({"n": 61}, "1 <= n <= 60"),
        ({"n": 5, "design": "most-unlike-training"}, "must be a random sample"),
        ({"n": 5, "design": "best"}, "design must be"),
        ({"n": 5, "design": "neyman"}, "pilot must give a rate"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        sample_shards([parts_of(candidates())], **options, rng=np.random.default_rng(0))


def test_a_design_written_in_parts_is_read_whole(tmp_path):
    shards = in_shards(candidates(), 4, seed=9, design="flagged-25")
    sample = sample_shards(shards, 12, design="flagged-25", rng=np.random.default_rng(3))
    harms = ["blackmail", "leaking"]
    write_design_parts((sample.rows(shard, harms) for shard in shards), tmp_path / "design.parquet")
    found = read_design(tmp_path / "design.parquet")
    pd.testing.assert_frame_equal(found[list(DESIGN_COLUMNS)], frame_of(shards, sample, harms).astype(found.dtypes))


def rows_of(draws, ids) -> list:
    """What the design says of each transcript, as sets of rows."""
    place = draws.find(id_keys(np.array(ids, dtype=object)))
    kinds = [None if at < 0 else draws.kinds[draws.codes[at]] for at in place]
    return [None if kind is None else set(map(tuple, kind.astype(object).to_numpy())) for kind in kinds]


@pytest.mark.parametrize("name", ["design.parquet", "design.csv"])
@pytest.mark.parametrize("order", ["by transcript", "by harm"])
def test_draws_are_those_of_the_design_whatever_the_order_of_its_rows(tmp_path, name, order):
    """Against a brute-force look-up in the frame; row groups cut through transcripts."""
    frame = draw_sample(candidates(), 12, design="flagged-25", rng=np.random.default_rng(3), harms=["a", "b"])
    frame.loc[frame["harm"] == "b", "inclusion_probability"] /= 2
    frame = frame.assign(grader="judge", grader_version="1").sort_values("harm" if order == "by harm" else "round")
    if name == "design.parquet":
        frame.to_parquet(tmp_path / name, index=False, row_group_size=7)
    else:
        write_design(frame, tmp_path / name)
    draws = read_draws(tmp_path / name)
    columns = ["harm", "stratum", "inclusion_probability", "drawn", "grader", "grader_version"]
    ids = [*frame["transcript_id"].unique(), "stranger"]
    expected = [
        set(map(tuple, frame.loc[frame["transcript_id"] == id_, columns].astype(object).to_numpy())) for id_ in ids
    ]
    assert rows_of(draws, ids) == [rows or None for rows in expected]
    assert len(draws.kinds) <= 6, "two harms, three strata, drawn or not"


def test_draws_of_several_rounds_are_joined(tmp_path):
    first = draw_sample(candidates(), 12, rng=np.random.default_rng(3), harms=["a"])
    second = draw_sample(candidates(), 12, round=2, rng=np.random.default_rng(4), harms=["a"], earlier=first)
    write_design(pd.concat([first, second]), tmp_path / "design.parquet")
    joined, ids = read_design(tmp_path / "design.parquet"), first["transcript_id"].tolist()
    assert rows_of(read_draws(tmp_path / "design.parquet"), ids) == rows_of(draws_of(joined), ids)
    with pytest.raises(ValueError, match="each transcript and harm once"):
        draws_of(pd.concat([first, second]))


def test_draws_that_cannot_be_are_refused(tmp_path):
    frame = draw_sample(candidates(), 12, rng=np.random.default_rng(3), harms=["a"])
    write_design(frame.assign(inclusion_probability=1.5), tmp_path / "design.parquet")
    with pytest.raises(InputError, match="0 <= p <= 1"):
        read_draws(tmp_path / "design.parquet")
    (tmp_path / "design.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        read_draws(tmp_path / "design.parquet")
