"""`harmrate store merge` and `verify` as users meet them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cli import app
from grader.store.store import Store


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARMRATE_STORE", raising=False)


def harmrate(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def store_of(name: str, **replies: object) -> str:
    with Store(name) as store:
        for key, reply in replies.items():
            store.put_reply(key, {"says": reply}, model="m")
    return name


def test_stores_are_merged_and_what_differs_is_named():
    code, out, err = harmrate("store", "merge", "all.sqlite", store_of("a.sqlite", k=1, j=1), store_of("b.sqlite", k=2))
    assert (code, out) == (0, "")
    assert "kept the first: b.sqlite: reply k" in err and "new: 2 replies" in err
    with Store("all.sqlite") as store:
        assert store.get_reply("k") == {"says": 1}
    code, out, _ = harmrate("store", "merge", "all.sqlite", "b.sqlite", "--json")
    found = json.loads(out)
    assert found["added"] == {"reply": 0, "embedding": 0} and found["conflicts"] == ["b.sqlite: reply k"]
    code, _, err = harmrate("store", "merge", "all.sqlite", "none.sqlite")
    assert code == 2 and err == "harmrate: none.sqlite: no such store\n"


def test_a_damaged_store_is_named_and_mended(tmp_path):
    store_of("s.sqlite", good="intact", bad="LOOKHERE")
    with Store("s.sqlite") as store:
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert harmrate("store", "verify", "--store", "s.sqlite")[0] == 0
    file = tmp_path / "s.sqlite"
    file.write_bytes(file.read_bytes().replace(b"LOOKHERE", b"LOOKTHER"))
    code, out, err = harmrate("store", "verify", "--store", "s.sqlite")
    assert code == 1 and out == "reply bad is not as it was put\n" and "DAMAGED; as they were put: 1 replies" in err
    code, out, err = harmrate("store", "verify", "--store", "s.sqlite", "--repair", "new.sqlite", "--json")
    assert code == 0 and json.loads(out)["n_sound"] == {"reply": 1, "embedding": 0}
    with Store("new.sqlite") as store:
        assert store.get_reply("good") == {"says": "intact"} and store.get_reply("bad") is None
    code, _, err = harmrate("store", "verify", "--store", "s.sqlite", "--repair", "new.sqlite")
    assert code == 2 and "exists already" in err
