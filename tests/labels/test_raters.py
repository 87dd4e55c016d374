"""Raters: the published model, planted careless and drifting raters, a real campaign with 123 raters."""

import json

import numpy as np
import pandas as pd
import pytest

from labels.labelset import LabelSet
from labels.raters import dawid_skene, fit_raters, rater_drift, rater_report

NAN = float("nan")
COLUMNS = ["transcript_id", "harm", "rater", "label", "status", "round", "created_at", "seconds"]


@pytest.fixture(scope="module")
def published(reference_cases):
    return json.loads((reference_cases / "dawid_skene_1979.json").read_text())


def long_form(responses):
    rows = [(p, o, v) for p, raters in responses.items() for o, votes in raters.items() for v in votes]
    patient, observer, value = zip(*rows, strict=True)
    return np.array(patient).astype(int), np.array(observer).astype(int), np.array(value)


def test_dawid_and_skene_1979(published):
    model = dawid_skene(*long_form(published["responses"]), tolerance=1e-14)
    expected = published["computed"]
    assert model.converged
    assert model.prevalence.round(2).tolist() == published["published"]["class_marginals"]
    assert model.prevalence == pytest.approx(np.array(expected["class_marginals"]), abs=1e-6)
    assert model.log_likelihood == pytest.approx(expected["loglik"], abs=1e-6)
    np.testing.assert_allclose(model.error_rates, expected["error_rates"], atol=1e-5)
    np.testing.assert_allclose(model.posterior, expected["posterior"], atol=2e-6)


def test_every_step_gains_likelihood(published):
    votes = long_form(published["responses"])
    gains = [dawid_skene(*votes, max_iterations=k, tolerance=0).log_likelihood for k in (1, 2, 3, 5, 10, 30)]
    assert (np.diff(gains) > 0).all()
    assert not dawid_skene(*votes, max_iterations=2).converged


def simulated(rng, n=400, rate=0.3, skill=((0.9, 0.95),) * 4):
    truth = rng.random(n) < rate
    rows = [
        (f"t{i:04}", "leaking", f"rater{r}", float(rng.random() < (se if truth[i] else 1 - sp)))
        for r, (se, sp) in enumerate(skill)
        for i in range(n)
    ]
    return truth, rows


def test_error_rates_are_found():
    skill = ((0.95, 0.98), (0.6, 0.99), (0.9, 0.7), (0.9, 0.95), (0.5, 0.5))
    truth, rows = simulated(np.random.default_rng(0), n=3000, skill=skill)
    model = fit_raters(LabelSet.from_rows(rows), "leaking")
    assert model.prevalence[1] == pytest.approx(truth.mean(), abs=0.02)
    found = np.column_stack([model.error_rates[:, 1, 1], model.error_rates[:, 0, 0]])
    np.testing.assert_allclose(found, skill, atol=0.05)
    assert model.notes == ()


def test_thin_or_rare_data_are_no_consensus():
    _, rows = simulated(np.random.default_rng(0), rate=0.02, skill=((0.9, 0.995),) * 3)
    notes = fit_raters(LabelSet.from_rows(rows), "leaking").notes
    assert any("3.0 votes per item" in note for note in notes)
    assert any("prevalence" in note for note in notes)


def test_order_of_votes_does_not_matter(published):
    patient, observer, value = long_form(published["responses"])
    shuffled = np.random.default_rng(1).permutation(value.size)
    again = dawid_skene(patient[shuffled], observer[shuffled], value[shuffled])
    assert again.log_likelihood == pytest.approx(dawid_skene(patient, observer, value).log_likelihood, abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(([1, 2], [1], [0, 1]), "equal length"), (([1], [1], [NAN]), "at least one vote, got 1 missing")],
)
def test_bad_votes(arguments, message):
    with pytest.raises(ValueError, match=message):
        dawid_skene(*arguments)


def test_report_by_hand():
    rows = [
        (f"t{i}", "leaking", who, float(v))
        for who, votes in (("ana", "1100"), ("bo", "1000"), ("cy", "1001"))
        for i, v in enumerate(votes)
    ]
    report = rater_report(LabelSet.from_rows(rows), "leaking").set_index("rater")
    # The others of ana: t0 both yes; t1, t2 both no; t3 one of each, which is no majority.
    ana = report.loc["ana"]
    assert [ana["n_votes"], ana["n_shared"], ana["n_positive"]] == [4, 3, 1]
    assert [ana["sensitivity"], ana["specificity"], ana["informedness"]] == [1, 0.5, 0.5]
    assert ana["excess"] == pytest.approx((0 + 1 + 0 - 0.5) / 4)
    assert report["flags"].tolist() == [(), (), ()]


def timed(rows, seconds, start="2026-01-01"):
    times = pd.date_range(start, periods=len(rows), freq="min", tz="UTC")
    return [(*row, "definite", 1, time, seconds[row[2]]) for row, time in zip(rows, times, strict=True)]


def test_planted_careless_raters_are_flagged_and_the_others_are_not():
    rng = np.random.default_rng(3)
    skill = ((0.9, 0.95), (0.85, 0.97), (0.9, 0.9), (0.95, 0.95), (0.4, 0.6))
    _, rows = simulated(rng, n=300, skill=skill)
    rows += [(f"t{i:04}", "leaking", "constant", 0.0) for i in range(300)]
    rows += [(f"t{i:04}", "leaking", "block", float(i % 300 >= 220)) for i in range(300)]
    seconds = {f"rater{r}": 30 + r for r in range(5)} | {"constant": 3, "block": 28}
    flags = rater_report(LabelSet(frame=pd.DataFrame(timed(rows, seconds), columns=COLUMNS)), "leaking")
    flags = flags.set_index("rater")["flags"]
    assert [flags[f"rater{r}"] for r in range(4)] == [()] * 4
    assert "chance" in flags["rater4"]
    assert set(flags["constant"]) >= {"chance", "fast"}
    assert "streak" in flags["block"]


def test_rare_harm_does_not_make_a_rater_careless():
    """Never saying yes is no fault where there is almost nothing to find."""
    _, rows = simulated(np.random.default_rng(1), rate=0.01, n=300, skill=((0.9, 0.999),) * 3)
    report = rater_report(LabelSet.from_rows([*rows, *((r[0], r[1], "quiet", 0.0) for r in rows[:300])]), "leaking")
    assert report.set_index("rater")["flags"]["quiet"] in ((), ("outlier",))
    assert "chance" not in sum(report["flags"], ())


def drifting(rng, shift):
    """Two rounds, the second with twice the harm; rater0 says yes more often there by `shift`."""
    rows = []
    for number, rate in ((1, 0.2), (2, 0.4)):
        truth = rng.random(300) < rate
        for who in ("rater0", "rater1", "rater2"):
            more = shift if (who, number) == ("rater0", 2) else 0.0
            vote = (truth ^ (rng.random(300) < 0.05)) | (rng.random(300) < more)
            rows += [(f"r{number}t{i}", "leaking", who, float(v), "definite", number) for i, v in enumerate(vote)]
    return LabelSet(frame=pd.DataFrame(rows, columns=COLUMNS[:6]))


def test_drift_is_found_and_a_change_of_the_transcripts_is_none():
    drift = rater_drift(drifting(np.random.default_rng(2), 0.2), "leaking").set_index("rater")
    assert drift.loc["rater0", "p_value"] < 0.001
    assert drift.loc["rater0", "drift"] == pytest.approx(0.2 * 0.62, abs=0.06)
    steady = rater_drift(drifting(np.random.default_rng(2), 0.0), "leaking")
    assert (steady["p_value"] > 0.05).all()
    assert (steady["n_repeated"] == 0).all()


def test_changed_answers_are_counted():
    rows = [(f"t{i}", "leaking", "ana", float(i < 3), "definite", 1) for i in range(8)]
    rows += [(f"t{i}", "leaking", "ana", float(i < 1), "definite", 2) for i in range(4)]
    drift = rater_drift(LabelSet(frame=pd.DataFrame(rows, columns=COLUMNS[:6])), "leaking").iloc[0]
    assert [drift["n_repeated"], drift["changed"]] == [4, 0.5]
    assert np.isnan(drift["p_value"])


def test_one_round_has_no_drift():
    _, rows = simulated(np.random.default_rng(0), n=20)
    assert rater_drift(LabelSet.from_rows(rows), "leaking").empty


@pytest.fixture(scope="module")
def dices(shared_data):
    wide = pd.read_csv(shared_data / "dices_350" / "dices_350_ratings_wide.csv", keep_default_na=False)
    votes = wide.melt(["item_id", "gold_expert"], var_name="rater", value_name="said")
    votes["label"] = votes["said"].map({"Yes": 1.0, "No": 0.0})
    votes["transcript_id"], votes["harm"] = votes["item_id"].astype(str), "unsafe"
    return votes


def test_flags_on_real_raters_agree_with_the_experts(dices):
    """The experts' gold labels never enter; flagged raters must be the ones who follow it least."""
    report = rater_report(LabelSet(frame=dices[["transcript_id", "harm", "rater", "label"]]), "unsafe")
    gold = dices[dices["gold_expert"].isin(["Yes", "No"]) & dices["label"].notna()]
    said_yes = gold.groupby(["rater", "gold_expert"])["label"].mean().unstack()
    informedness = (said_yes["Yes"] - said_yes["No"]).reindex(report["rater"]).to_numpy()
    flagged = report["flags"].str.len().to_numpy() > 0
    assert len(report) == 123
    assert 3 <= flagged.sum() <= 40
    assert np.median(informedness[flagged]) < 0.5 * np.median(informedness[~flagged])


def test_dawid_skene_on_real_raters(dices):
    model = fit_raters(LabelSet(frame=dices[["transcript_id", "harm", "rater", "label"]]), "unsafe")
    assert model.converged
    informedness = model.error_rates[:, 1, 1] + model.error_rates[:, 0, 0] - 1
    report = rater_report(LabelSet(frame=dices[["transcript_id", "harm", "rater", "label"]]), "unsafe")
    leave_one_out = report.set_index("rater").loc[model.raters, "informedness"]
    assert np.corrcoef(informedness, leave_one_out)[0, 1] > 0.8
