import json
import pickle
import zipfile

import numpy as np
import pytest

from grader.classifier import EmbeddingClassifier, can_train
from grader.classifier.bags import CHUNK
from grader.classifier.folds import Folds
from grader.errors import InputError
from grader.store.store import Store
from grader.transcript import Message, Transcript
from grader.verdict.records import Grader

from .conftest import WordEncoder, corpus, transcript


@pytest.fixture
def fitted():
    transcripts, y = corpus()
    return EmbeddingClassifier(WordEncoder()).fit(transcripts, {"blackmail": y})


def scores(classifier, transcripts, harm="blackmail"):
    return classifier.predict_proba(transcripts)[harm]


def test_is_a_grader(fitted):
    assert isinstance(fitted, Grader)
    assert fitted.kind == "classifier" and fitted.name == "classifier"


def test_init_stores_its_arguments_and_loads_nothing():
    classifier = EmbeddingClassifier("no-such-model", backend="torch", n_folds=3)
    assert classifier.model == "no-such-model" and classifier.n_folds == 3
    assert not any(name.endswith("_") for name in vars(classifier))


def test_learns_what_the_words_say(fitted):
    fresh, y = corpus(seed=7)
    p = scores(fitted, fresh)
    assert p[y == 1].min() > p[y == 0].max()
    verdicts = list(fitted.grade(fresh))
    assert np.mean([v.present == bool(h) for v, h in zip(verdicts, y, strict=True)]) > 0.95
    assert [v.score for v in verdicts] == pytest.approx(p.tolist())


def test_a_labelled_transcript_is_scored_by_the_fold_that_did_not_see_it(fitted):
    transcripts, _ = corpus()
    model = fitted.harms_["blackmail"]
    bags = fitted._bagger.bags(transcripts)
    fold = np.array([fitted.folds_[t.content_hash] for t in transcripts])
    for k in range(5):
        every_k = model.probability(bags, np.full(len(transcripts), k))
        assert scores(fitted, transcripts)[fold == k] == pytest.approx(every_k[fold == k])
    renamed = [Transcript(id=f"new{t.id}", messages=t.messages) for t in transcripts]
    assert scores(fitted, renamed) == pytest.approx(scores(fitted, transcripts))


@pytest.mark.parametrize("at", [5, 6])
def test_flipping_ones_own_label_does_not_move_ones_score(at, monkeypatch):
    """Folds are drawn with an eye on the labels; here they are given, so that only the training could see the label."""
    transcripts, y = corpus()
    n = len(transcripts)
    given = Folds(np.arange(n) % 5, 5, "scenario", np.arange(n))
    monkeypatch.setattr("grader.classifier.classifier.assign_folds", lambda *_, **__: given)
    flipped = y.copy()
    flipped[at] = 1 - flipped[at]
    odds, others = [], []
    for label in (y, flipped):
        classifier = EmbeddingClassifier(WordEncoder(), n_folds=5).fit(transcripts, {"h": label}, groups=range(120))
        bags = classifier._bagger.bags(transcripts[at : at + 1])
        # The sigmoid has two numbers fitted on all out-of-fold scores, so the log-odds are compared.
        odds.append(classifier.harms_["h"].log_odds(bags, np.array([at % 5]))[0])
        others.append(classifier.harms_["h"].log_odds(bags, np.array([(at + 1) % 5]))[0])
    assert odds[0] == pytest.approx(odds[1])
    assert others[0] != pytest.approx(others[1]), "a fold that trained on the label is moved by it"


def test_random_labels_give_chance_out_of_fold_and_memory_in_sample():
    rng = np.random.default_rng(3)
    transcripts, _ = corpus(n=200, n_scenarios=20)
    outside, inside = [], []
    for _ in range(8):
        y = (rng.random(200) < 0.5).astype(float)
        classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y})
        model = classifier.harms_["h"]
        outside.append(model.metrics["auroc"])
        chunk = classifier._chunk(transcripts)
        log_odds = model.log_odds(chunk.bags, (chunk.head + 1) % len(model.heads))
        inside.append(np.mean(log_odds[y == 1][:, None] > log_odds[y == 0][None]))
    assert abs(np.mean(outside) - 0.5) < 3 * np.std(outside, ddof=1) / np.sqrt(8) + 0.01
    assert np.mean(inside) > 0.6 > np.mean(outside) + 0.05


def test_each_distinct_segment_is_embedded_once():
    encoder = WordEncoder()
    transcripts, y = corpus()
    classifier = EmbeddingClassifier(encoder).fit(transcripts, {"h": y})
    classifier.predict_proba(transcripts)
    assert len(encoder.encoded) == len(set(encoder.encoded))


def test_kept_embeddings_are_not_made_again(tmp_path):
    transcripts, y = corpus()
    store = Store(tmp_path / "store.sqlite")
    first = EmbeddingClassifier(WordEncoder(), store=store).fit(transcripts, {"h": y})
    again = WordEncoder()
    second = EmbeddingClassifier(again).with_store(store).fit(transcripts, {"h": y})
    assert again.encoded == []
    assert scores(second, transcripts, "h") == pytest.approx(scores(first, transcripts, "h"))
    assert second.version == first.version


def test_grading_streams():
    transcripts, y = corpus()
    classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y})
    drawn = []

    def endless():
        i = 0
        while True:
            drawn.append(i)
            yield transcript(i, "mail")
            i += 1

    next(classifier.grade(endless()))
    assert len(drawn) == CHUNK


def test_a_transcript_without_text_cannot_be_assessed(fitted):
    (verdict,) = fitted.grade([Transcript(id="e", messages=(Message(role="user", kind="text", text=" "),))])
    assert verdict.outcome == "cannot_assess" and verdict.present is None
    assert fitted.predict_proba([])["blackmail"].shape == (0,)


def test_several_harms_with_gaps_and_ties():
    transcripts, y = corpus()
    other = np.where(np.arange(120) % 2 == 0, 1.0, 0.0)
    other[:7] = np.nan
    other[8] = 0.5
    classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"a": y, "b": other})
    assert {h: (m.n, m.n_positive) for h, m in classifier.harms_.items()} == {"a": (120, 40), "b": (112, 55)}
    assert [v.harm for v in classifier.grade(transcripts[:2])] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("positives", "negatives", "reason"),
    [(7, 50, "7 positive labels, but training needs 8"), (30, 1, "1 negative label, but training needs 8")],
)
def test_too_few_labels_are_told(positives, negatives, reason):
    y = [1.0] * positives + [0.0] * negatives
    assert can_train(y) == reason
    transcripts, _ = corpus(n=len(y))
    with pytest.raises(ValueError, match=reason):
        EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y})


def test_labels_must_fit():
    transcripts, y = corpus()
    with pytest.raises(ValueError, match=r"y\['h'\] must have shape \(120,\)"):
        EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y[:-1]})
    with pytest.raises(ValueError, match="must fulfil 0 <= y <= 1"):
        EmbeddingClassifier(WordEncoder()).fit(transcripts, {"h": y * 2})
    with pytest.raises(ValueError, match="must be fitted or loaded"):
        EmbeddingClassifier(WordEncoder()).predict_proba(transcripts)


# Artifacts ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save(tmp_path / "classifier")
    return tmp_path / "classifier"


def test_loading_gives_the_same_grader(fitted, folder):
    loaded = EmbeddingClassifier.load(folder, model=WordEncoder())
    fresh, _ = corpus(seed=4)
    for transcripts in (fresh, corpus()[0]):
        assert scores(loaded, transcripts) == pytest.approx(scores(fitted, transcripts), abs=1e-12)
    assert loaded.version == fitted.version
    assert loaded.differences_ == []
    assert "blackmail" in (folder / "README.md").read_text()


def test_the_version_follows_threshold_and_data(fitted):
    transcripts, y = corpus()
    same = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"blackmail": y})
    y[0] = 0.0
    other = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"blackmail": y})
    assert same.version == fitted.version != other.version


def test_a_changed_number_is_refused(folder):
    file = folder / "metadata.json"
    record = json.loads(file.read_text())
    record["harms"]["blackmail"]["threshold"] = 0.01
    file.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"metadata\.json: was changed after it was written") as error:
        EmbeddingClassifier.load(folder)
    assert "\n" not in str(error.value)


class Boom:
    def __reduce__(self):
        return (print, ("executed",))


def rehash(folder):
    """What somebody would do who wants his file accepted."""
    import hashlib

    from grader.classifier.artifact import digest

    record = json.loads((folder / "metadata.json").read_text())
    record["files"]["heads.skops"] = hashlib.sha256((folder / "heads.skops").read_bytes()).hexdigest()
    del record["sha256"]
    record["sha256"] = digest(record)
    (folder / "metadata.json").write_text(json.dumps(record))


@pytest.mark.parametrize("hashes", ["kept", "forged"])
def test_a_pickle_in_place_of_the_heads_is_refused(folder, capsys, hashes):
    (folder / "heads.skops").write_bytes(pickle.dumps(Boom()))
    if hashes == "forged":
        rehash(folder)
    with pytest.raises(InputError, match=r"heads\.skops: is (not the file that was saved|not a skops file)") as error:
        EmbeddingClassifier.load(folder)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_untrusted_types_are_refused(folder):
    import skops.io

    (folder / "heads.skops").write_bytes(skops.io.dumps({"blackmail": WordEncoder()}))
    rehash(folder)
    with pytest.raises(InputError, match="types that are not trusted: .*WordEncoder"):
        EmbeddingClassifier.load(folder)


def test_the_heads_are_no_pickle(folder):
    names = zipfile.ZipFile(folder / "heads.skops").namelist()
    assert "schema.json" in names and not [n for n in names if n.endswith((".pkl", ".pickle"))]


def test_another_embedding_model_is_refused(folder):
    loaded = EmbeddingClassifier.load(folder, model=WordEncoder(dimensions=32))
    with pytest.raises(InputError, match="trained on vectors of words-64, but this model is words-32"):
        loaded.predict_proba(corpus()[0])


def test_other_versions_are_told(folder):
    record = json.loads((folder / "metadata.json").read_text())
    record["versions"]["scikit-learn"] = "0.1"
    (folder / "metadata.json").write_text(json.dumps(record))
    rehash(folder)
    (told,) = EmbeddingClassifier.load(folder, model=WordEncoder()).differences_
    assert told.startswith("trained with scikit-learn 0.1, running ")


def test_a_folder_without_a_classifier_is_told(tmp_path):
    with pytest.raises(InputError, match=r"metadata\.json: no trained classifier here"):
        EmbeddingClassifier.load(tmp_path)
