"""`harmrate doctor --classifier` and what it rests on."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from calibration.study.doctor.classifier import examine_classifier
from cli import app
from grader.classifier import EmbeddingClassifier
from grader.classifier.artifact import digest
from grader.errors import InputError
from tests.grader.classifier.conftest import WordEncoder, corpus


def saved(folder, y=None, trained_on="human"):
    transcripts, truth = corpus()
    labels = truth if y is None else y
    EmbeddingClassifier(WordEncoder()).fit(transcripts, {"blackmail": labels}, trained_on=trained_on).save(folder)
    return folder


def by_topic(folder):
    return {check.topic: check for check in examine_classifier(folder)}


def test_a_good_classifier_comes_with_its_numbers(tmp_path):
    y = corpus()[1]
    y[:12] = 1 - y[:12]
    checks = by_topic(saved(tmp_path / "c", y))
    assert checks["training"].told == "It learned from human labels of 120 transcripts."
    metrics = json.loads((tmp_path / "c/metadata.json").read_text())["harms"]["blackmail"]["metrics"]
    point, low, high = metrics["table"]["classifier"]["auroc"]
    assert low > 0.6
    verdict = checks["may it grade?"]
    assert f"{point:.3f} ({low:.3f} to {high:.3f}) on a new one; {y.sum():.0f} harmful of 120" in verdict.told
    assert verdict.level == checks["versions"].level == "fine"
    assert f"sensitivity {metrics['threshold']['sensitivity'][0]:.3f} (" in checks["threshold"].told


def test_labels_without_meaning_are_near_chance_and_a_judges_are_not_humans(tmp_path):
    y = (np.random.default_rng(0).random(120) < 0.5).astype(float)
    checks = by_topic(saved(tmp_path / "c", y, "judge"))
    assert checks["may it grade?"].level == checks["training"].level == "warning"
    assert "not used; not shown to be better than chance" in checks["may it grade?"].told
    assert "judge's verdicts" in checks["training"].told


def test_other_versions_are_a_warning(tmp_path):
    file = saved(tmp_path / "c") / "metadata.json"
    record = json.loads(file.read_text())
    record["versions"]["numpy"] = "0.1"
    del record["sha256"]
    file.write_text(json.dumps(record | {"sha256": digest(record)}))
    assert by_topic(tmp_path / "c")["versions"].level == "warning"
    assert "trained with numpy 0.1" in by_topic(tmp_path / "c")["versions"].told


def test_the_command_shows_it_and_refuses_what_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "c")
    result = CliRunner().invoke(app, ["doctor", "--classifier", "c"])
    assert result.exit_code == 0 and "This classifier" in result.stdout and "on a new one" in result.stdout
    result = CliRunner().invoke(app, ["doctor", "--classifier", "c", "--json"])
    told = [check["told"] for check in json.loads(result.stdout)["classifier"]]
    assert told == [check.told for check in examine_classifier(tmp_path / "c")]
    with pytest.raises(InputError, match="no trained classifier here"):
        examine_classifier(tmp_path)
