"""An artifact that is not what was saved is refused in one line, and nothing in it is run."""

import hashlib
import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from grader.classifier import EmbeddingClassifier
from grader.classifier.artifact import digest
from grader.errors import InputError

from .conftest import WordEncoder, corpus


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    transcripts, y = corpus()
    folder = tmp_path_factory.mktemp("saved") / "classifier"
    EmbeddingClassifier(WordEncoder()).fit(transcripts, {"blackmail": y}).save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def folder(saved, tmp_path):
    for name, data in saved.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def refused(folder):
    with pytest.raises(InputError) as error:
        EmbeddingClassifier.load(folder, model=WordEncoder())
    assert "\n" not in str(error.value)
    return str(error.value)


def forge(folder, change):
    """Metadata changed, and hashed again as somebody would who wants it accepted."""
    record = json.loads((folder / "metadata.json").read_text())
    record.pop("sha256")
    change(record)
    (folder / "metadata.json").write_text(json.dumps(record | {"sha256": digest(record)}))


class Boom:
    def __reduce__(self):
        return (print, ("executed",))


def with_objects():
    data = io.BytesIO()
    np.save(data, np.array([Boom()], dtype=object), allow_pickle=True)
    return data.getvalue()


def test_what_was_not_touched_is_read(folder):
    assert list(EmbeddingClassifier.load(folder, model=WordEncoder()).harms_) == ["blackmail"]


@pytest.mark.parametrize("name", ["profiles.npy", "heads.skops"])
def test_one_other_byte_is_refused(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    assert f"{name}: is not the file that was saved" in refused(folder)


@pytest.mark.parametrize("data", [with_objects(), pickle.dumps(Boom()), b"", b"\x93NUMPY"])
def test_vectors_that_are_none_are_refused_though_the_hash_fits(folder, capsys, data):
    (folder / "profiles.npy").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    forge(folder, lambda record: record["files"].update({"profiles.npy": sha256}))
    assert "profiles.npy: is not an array of numbers" in refused(folder)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["profiles.npy", "heads.skops"])
def test_a_missing_file_is_told(folder, name):
    (folder / name).unlink()
    assert f"{name}: cannot be read: No such file" in refused(folder)


def test_another_hash_in_the_metadata_is_refused(folder):
    file = folder / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": "0" * 64}))
    assert "metadata.json: was changed after it was written" in refused(folder)


def test_a_harm_that_the_heads_do_not_know_is_refused(folder):
    forge(folder, lambda record: record["harms"].update({"spying": record["harms"]["blackmail"]}))
    assert "heads for ['blackmail'], but metadata of ['blackmail', 'spying']" in refused(folder)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"schema": 1}'])
def test_metadata_that_are_none_are_refused(folder, text):
    (folder / "metadata.json").write_text(text)
    assert "metadata.json: " in refused(folder)


def endless(what):
    """Data that claims to be far larger than it is."""
    out = io.BytesIO()
    if what == "vectors":
        np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 384)})
    else:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("schema.json", b" " * (2**30 + 1))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "what", "told"),
    [
        ("profiles.npy", "vectors", "is not an array of numbers"),
        ("heads.skops", "heads", "unpacks to 1073741825 bytes"),
    ],
)
def test_what_claims_to_be_huge_is_refused_before_it_is(folder, name, what, told):
    (folder / name).write_bytes(endless(what))
    sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    forge(folder, lambda record: record["files"].update({name: sha256}))
    assert told in refused(folder)


@pytest.mark.parametrize("value", ["absent", None, 3, "x", [], {}, {"a": 1}])
def test_metadata_forged_in_any_part_are_refused_or_of_no_consequence(folder, value):
    keys = json.loads((folder / "metadata.json").read_text()).keys() - {"sha256"}
    whole = (folder / "metadata.json").read_bytes()
    for key in sorted(keys):
        (folder / "metadata.json").write_bytes(whole)
        forge(folder, lambda record, key=key: record.pop(key) if value == "absent" else record.update({key: value}))
        try:
            EmbeddingClassifier.load(folder, model=WordEncoder())
        except InputError as error:
            assert "\n" not in str(error)
