"""Label exports and tables that people reported: what each of them means, and the kinds behind them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from grader.errors import InputError
from labels import LabelSet, read_label_studio, read_labels
from labels.label_studio.importing import import_labels
from labels.samples import joined_by_sample

DECEIVES = {"assessment": {"deception": ["Outright lie", "Misleading"]}}
CANNOT_TELL = {"assessment": ["Cannot tell"]}
COLUMNS = {"transcript_id": "sample_id", "rater": "annotator", "label": "verdict"}


@pytest.fixture(scope="module")
def cases(samples: Path) -> Path:
    return samples / "cases" / "labels"


def said(labels: LabelSet) -> dict[tuple[str, str], float]:
    """By transcript and rater, where definite."""
    votes = labels.votes()
    return dict(zip(zip(votes["transcript_id"], votes["rater"], strict=True), votes["label"], strict=True))


def counts(labels: LabelSet) -> Counter[tuple[str, float]]:
    return Counter(zip(labels.frame["status"], labels.frame["label"].fillna(-1), strict=True))


def test_cannot_tell_is_not_a_no(cases: Path) -> None:
    path = cases / "own-configuration" / "export.json"
    labels = read_labels(path, control_map=DECEIVES, unsure=CANNOT_TELL, rest="no", id_field="conv_id")
    assert counts(labels) == {("definite", 1.0): 14, ("definite", 0.0): 26, ("unsure", -1.0): 6}
    assert len({t for t in labels.frame["transcript_id"] if t.startswith("c")}) == 24


@pytest.mark.parametrize(
    ("control_map", "unsure", "reason"),
    [
        (DECEIVES, None, r"nothing names: Honest \(26\), Cannot tell \(6\)"),
        (DECEIVES, CANNOT_TELL, r"nothing names: Honest \(26\)\. Add --unsure .* --rest no"),
        ({"assessment": {"deception": ["Outrigt lie"]}}, None, "never holds 'Outrigt lie'"),
        (DECEIVES, {"assessment": ["Can't say"]}, r"never holds \"Can't say\" \(--unsure\)"),
        (DECEIVES, {"asessment": ["Cannot tell"]}, r"no control 'asessment' \(--unsure\)"),
        ({"assesment": {"deception": ["Outright lie"]}}, None, "no control 'assesment'"),
        ({"assessment": {"decption": ["Outright lie"]}}, None, "'decption': is it 'deception'"),
    ],
)
def test_a_map_that_leaves_values_open_or_names_what_is_not_there_is_refused(
    cases: Path, control_map: dict, unsure: dict | None, reason: str
) -> None:
    path = cases / "own-configuration" / "export.json"
    with pytest.raises(InputError, match=reason) as error:
        read_labels(path, control_map=control_map, unsure=unsure, id_field="conv_id")
    assert "\n" not in str(error.value)


def test_a_campaign_that_has_just_begun_may_name_what_nobody_chose_yet(cases: Path) -> None:
    path = cases / "own-configuration" / "export.json"
    control_map = {"assessment": {"deception": ["Outright lie", "Threatening"]}}
    labels = read_labels(path, control_map=control_map, rest="no", allow_unused=True, id_field="conv_id")
    assert counts(labels)["definite", 1.0] == 11
    assert any("never holds 'Threatening'" in note for note in labels.notes)


def test_a_submitted_page_without_a_span_says_no(cases: Path) -> None:
    path = cases / "own-configuration" / "export.json"
    labels = read_labels(path, control_map={"spans": {"deception": ["Lie"]}}, id_field="conv_id")
    assert counts(labels) == {("definite", 1.0): 14, ("definite", 0.0): 32}


@pytest.mark.parametrize(
    ("name", "expected", "n_notes"),
    [
        ("ls-alias/export.json", {("t1", "5"): 1.0, ("t2", "5"): 0.0}, 0),
        ("ls-cancelled/e.json", {("t1", "5"): 1.0, ("t3", "5"): 0.0}, 0),
        ("ls-case/e.json", {("t1", "5"): 1.0, ("t2", "5"): 0.0}, 0),
        ("ls-csv-resaved/e.csv", {("t1", "5"): 1.0, ("t2", "5"): 0.0}, 0),
        ("ls-csv-resaved/bom.csv", {("t1", "5"): 1.0}, 0),
        ("ls-csv-resaved/utf16.tsv", {("t1", "5"): 1.0}, 0),
        ("ls-csv-resaved/email.csv", {("t1", "a@example.com"): 1.0}, 0),
        ("ls-old-completions/e.json", {("t1", "unknown (2)"): 1.0, ("t2", "unknown (2)"): 0.0}, 1),
        ("ls-resubmit/changed.json", {("t1", "5"): 0.0, ("t2", "5"): 0.0}, 1),
        ("ls-resubmit/same.json", {("t1", "5"): 1.0, ("t2", "5"): 0.0}, 1),
        ("ls-resubmit/fixed-by-editing.json", {("t1", "5"): 0.0, ("t2", "5"): 0.0}, 1),
        ("ls-resubmit/fixed-after-deleting-one.json", {("t1", "5"): 0.0, ("t2", "5"): 0.0}, 0),
        ("ls-snapshot-bigids/e.json", {("t1", "5"): 1.0, ("t2", "5"): 0.0}, 0),
        ("ls-snapshot-bigids/numericid.json", {("1234567890123456789", "5"): 1.0, ("0.1", "5"): 0.0}, 0),
        ("ls-storage-export/list.json", {("t1", "5"): 1.0}, 0),
        ("ls-storage-export/2", {("t2", "5"): 0.0}, 0),
        ("ls-storage-export", {("t1", "5"): 1.0, ("t2", "5"): 0.0}, 2),
        ("ls-predictions-only/e.json", {}, 1),
    ],
)
def test_exports_mean_what_people_meant(
    cases: Path, name: str, expected: dict[tuple[str, str], float], n_notes: int
) -> None:
    labels = read_labels(cases / name)
    assert said(labels) == expected
    assert len(labels.notes) == n_notes, labels.notes
    tally = labels.ledger()
    assert tally["read"] == tally["used"] + sum(tally["not_used"].values())


def test_answers_of_deleted_users_are_one_rater(cases: Path) -> None:
    labels = read_labels(cases / "ls-deleted-user" / "e.json")
    assert labels.raters == ("5", "unknown (4)")
    assert "4 annotations name no account" in labels.notes[0]


def test_an_export_imported_elsewhere_is_told(cases: Path) -> None:
    assert "imported into another project" in read_labels(cases / "ls-reimport" / "e.json").notes[0]


def test_taxonomy_paths_and_regions_are_read_once_their_values_are_named(cases: Path) -> None:
    path = cases / "ls-taxonomy-regions" / "e.json"
    with pytest.raises(InputError, match=r"nothing names: Harm/Leaking \(1\)"):
        read_labels(path, control_map={"harms": {"deception": ["Deception"]}})
    labels = read_labels(path, control_map={"harms": {"deception": ["Deception"], "leaking": ["Leaking"]}})
    first = labels.frame[labels.frame["transcript_id"] == "t1"].set_index("harm")["label"]
    assert first.to_dict() == {"deception": 1.0, "leaking": 1.0}


def test_deleting_one_of_two_answers_works_in_a_history(cases: Path, tmp_path: Path) -> None:
    history = tmp_path / "labels.parquet"
    folder = cases / "ls-resubmit"
    import_labels(folder / "changed.json", history)
    assert said(read_labels(history))["t1", "5"] == 0.0
    growth, _ = import_labels(folder / "fixed-after-deleting-one.json", history)
    assert growth.gone == 1
    assert said(read_labels(history))["t1", "5"] == 0.0


def test_plain_tables_under_people_s_own_names(cases: Path) -> None:
    folder = cases / "plain-tables"
    labels = read_labels(folder / "own_columns.csv", columns=COLUMNS, harm="leaking")
    assert (len(labels.votes()), labels.raters, labels.votes()["label"].sum()) == (24, ("ana", "bo"), 8.0)
    assert read_labels(folder / "no_harm_column.csv", harm="leaking").harms == ("leaking",)
    wide = read_labels(folder / "wide.csv")
    assert wide.harms == ("blackmail", "deception", "leaking")
    assert counts(wide)["unsure", -1.0] == 1


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("own_columns.csv", {}, "transcript_id, harm, rater, label; .* among sample_id, annotator, verdict, comment"),
        ("own_columns.csv", {"columns": COLUMNS}, "--harm NAME stands in"),
        ("own_columns.csv", {"columns": COLUMNS | {"label": "verdikt"}}, "no column 'verdikt'; found sample_id"),
        ("own_columns.csv", {"columns": {"judgement": "verdict"}}, "names 'judgement', which is none of transcript_id"),
        ("no_harm_column.csv", {}, "no harm among transcript_id, rater, label"),
        ("wide.csv", {"control_map": {"a": {"b": ["c"]}}}, "no controls"),
        ("wide.csv", {"raters": {"anna": "Anna"}}, "--raters names 'anna', who labelled nothing; there is ana"),
    ],
)
def test_tables_that_cannot_be_read_say_what_is_wanted_and_what_was_found(
    cases: Path, name: str, options: dict, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as error:
        read_labels(cases / "plain-tables" / name, **options)
    assert "\n" not in str(error.value)


def test_inspect_s_samples_and_epochs_find_their_transcripts(cases: Path) -> None:
    labels = read_labels(cases / "plain-tables" / "inspect_sample_ids.csv")
    facts = pd.DataFrame(
        {
            "transcript_id": ["u1", "u2", "u3", "u4", "u5", "u6"],
            "scenario": ["c0", "c0", "c1", "c1", "c2", "c2"],
            "epoch": [1, 2, 1, 2, 1, 2],
        }
    )
    joined = joined_by_sample(labels, facts)
    assert said(joined) == {("u1", "ana"): 1.0, ("u2", "ana"): 1.0} | {(f"u{i}", "ana"): 0.0 for i in range(3, 7)}
    with pytest.raises(InputError, match="'c0/1': is 'u1' and 'v1' among the transcripts"):
        joined_by_sample(labels, pd.concat([facts, facts.assign(transcript_id="v" + facts["transcript_id"].str[1:])]))


def test_the_two_shapes_that_need_no_map_stay(cases: Path) -> None:
    assert read_label_studio(cases / "ls-case" / "spaces.json").harms == ("is leaking?",)
    multi = read_label_studio(cases / "ls-csv-resaved" / "multi.csv").frame.set_index(["transcript_id", "harm"])[
        "label"
    ]
    assert multi.to_dict() == {
        ("t1", "deception"): 1.0,
        ("t1", "leaking"): 1.0,
        ("t2", "deception"): 0.0,
        ("t2", "leaking"): 0.0,
    }
