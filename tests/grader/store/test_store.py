"""The store: entries as they were put, older files, joined files, and files that were really damaged."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from grader.errors import InputError
from grader.store.care import merge_stores, verify_store
from grader.store.store import META, Store

N = 400


def key(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def reply(i: int) -> dict[str, object]:
    text = random.Random(i).randbytes(100 + 10 * (i % 50)).hex()  # hard to mistake for another's
    return {"message": {"content": [{"type": "text", "text": f"{i}: {text}"}]}, "request_id": f"req_{i}"}


def filled(path: Path, numbers: range = range(N)) -> Path:
    """A store on disk, all of it in its main file."""
    with Store(path) as store:
        for i in numbers:
            store.put_reply(key(i), reply(i), model="m", transcript_id=f"t{i}", harms=("h", "i"), repeat=0)
        store.put_embeddings("model", {f"text{i}": np.full(8, i) for i in numbers[:50]})
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def put(store: Store) -> dict[str, object]:
    return {entry["key"]: entry["reply"] for entry in store.entries(with_reply=True)}


def test_what_was_put_comes_back_and_a_sound_store_is_sound(tmp_path):
    path = filled(tmp_path / "s.sqlite")
    with Store(path) as store:
        assert put(store) == {key(i): reply(i) for i in range(N)}
        assert store.get_embeddings("model", ["text3", "none"])["text3"].tolist() == [3.0] * 8
    found = verify_store(path)
    assert found.is_sound and found.n_sound == {"reply": N, "embedding": 50}


def test_a_store_of_version_1_gets_its_checksums(tmp_path):
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as db:
        names = ", ".join(f"{name} TEXT" for name in META)
        db.executescript(
            f"""CREATE TABLE reply (key TEXT PRIMARY KEY, reply TEXT NOT NULL, created_at REAL NOT NULL, {names})
            WITHOUT ROWID; CREATE INDEX reply_age ON reply (created_at, key);
            CREATE TABLE embedding (model_key TEXT, text_hash TEXT, vector BLOB NOT NULL, created_at REAL NOT NULL,
            PRIMARY KEY (model_key, text_hash)) WITHOUT ROWID; PRAGMA user_version = 1;
            INSERT INTO reply (key, reply, created_at, model) VALUES ('k', '{{"a": "ü"}}', 1700000000.25, 'm');
            INSERT INTO reply (key, reply, created_at, model) VALUES ('cut', '{{"a": ', 1700000001.5, 'm');
            INSERT INTO embedding VALUES ('m', 'h', x'0000803F', 1700000000.0);"""
        )
    before = verify_store(path, repair=tmp_path / "new.sqlite")
    assert before.n_sound == {"reply": 1, "embedding": 1} and before.damage == ("reply cut is not as it was put",)
    for opened in (tmp_path / "new.sqlite", path):
        with Store(opened) as store:
            assert store.get_reply("k") == {"a": "ü"}
            assert store.get_embeddings("m", ["h"])["h"].tolist() == [1.0]
    assert verify_store(path).n_sound["reply"] == 2, "what was there when checksums were made counts as put"


def page_of(raw: bytes, text: str) -> int:
    return raw.index(text.encode()) // 4096


def test_one_flipped_letter_in_a_reply_is_found_and_never_served(tmp_path):
    path = filled(tmp_path / "s.sqlite")
    raw = bytearray(path.read_bytes())
    at = raw.index(b'"123: ') + 10
    raw[at : at + 1] = b"5" if raw[at : at + 1] != b"5" else b"6"
    path.write_bytes(raw)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "SQLite sees nothing"
    found = verify_store(path)
    assert found.damage == (f"reply {key(123)} is not as it was put",)
    assert found.n_sound == {"reply": N - 1, "embedding": 50}
    with Store(path) as store:
        assert store.get_reply(key(122)) == reply(122)
        with pytest.raises(InputError, match="is damaged.*store verify") as caught:
            store.get_reply(key(123))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be merged"):
        merge_stores(tmp_path / "joined.sqlite", [path])


def test_a_flipped_vector_is_computed_again(tmp_path):
    path = filled(tmp_path / "s.sqlite")
    raw = bytearray(path.read_bytes())
    at = raw.index(np.full(8, 7, dtype=np.float32).tobytes())
    raw[at] ^= 255
    path.write_bytes(raw)
    assert verify_store(path).damage == ("embedding model text7 is not as it was put",)
    with Store(path) as store:
        assert set(store.get_embeddings("model", ["text6", "text7"])) == {"text6"}


@pytest.mark.parametrize("seed", range(4))
def test_whole_pages_of_noise_cost_only_what_lay_on_them(tmp_path, seed):
    """Bytes flipped in the middle: pages of the table overwritten, found, and everything else saved."""
    path = filled(tmp_path / "s.sqlite")
    raw = bytearray(path.read_bytes())
    rng = random.Random(seed)
    pages = {page_of(raw, f'"{i}: ') for i in rng.sample(range(N), 3)}
    on_them = {i for i in range(N) if page_of(raw, f'"{i}: ') in pages}
    for page in pages:
        raw[4096 * page : 4096 * page + 4096] = rng.randbytes(4096)
    path.write_bytes(raw)
    before = path.read_bytes()
    found = verify_store(path, repair=tmp_path / "mended.sqlite")
    assert not found.is_sound and any(line.startswith("structure: ") for line in found.damage)
    assert path.read_bytes() == before, "the damaged file is evidence: only read"
    with Store(tmp_path / "mended.sqlite") as store:
        saved = put(store)
    assert all(saved[k] == reply(i) for i in range(N) if (k := key(i)) in saved)
    named = {line.split()[1] for line in found.damage if line.startswith("reply ")}
    lost = {i for i in range(N) if key(i) not in saved}
    assert lost and {key(i) for i in lost} <= named, "each lost reply is named"
    assert len(lost) <= len(on_them), "only what lay on the pages"
    assert verify_store(tmp_path / "mended.sqlite").is_sound


def test_a_file_cut_short_gives_what_is_left(tmp_path):
    path = filled(tmp_path / "s.sqlite")
    raw = path.read_bytes()
    path.write_bytes(raw[: 4096 * (len(raw) // 4096 * 2 // 3)])
    with pytest.raises(InputError, match="damaged"), Store(path) as store:
        put(store)
    found = verify_store(path, repair=tmp_path / "mended.sqlite")
    assert not found.is_sound
    with Store(tmp_path / "mended.sqlite") as store:
        saved = put(store)
    assert len(saved) == found.n_sound["reply"] > 0.6 * N
    assert all(saved[k] == reply(i) for i in range(N) if (k := key(i)) in saved)


def test_what_is_no_store_is_said_in_one_line(tmp_path):
    noise, other = tmp_path / "noise", tmp_path / "other.sqlite"
    noise.write_bytes(random.Random(0).randbytes(20_000))
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE t (x)")
    for path, told in ((noise, "cannot be read at all"), (other, "no store"), (tmp_path / "none", "no such store")):
        with pytest.raises(InputError, match=told) as caught:
            verify_store(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="exists already"):
        verify_store(filled(tmp_path / "s.sqlite", range(3)), repair=other)


def test_merging_joins_by_content_and_names_what_differs(tmp_path):
    first, second = filled(tmp_path / "a.sqlite", range(10)), filled(tmp_path / "b.sqlite", range(5, 20))
    with Store(second) as store:
        store.put_reply("both", {"says": "b"})
    with Store(first) as store:
        store.put_reply("both", {"says": "a"})
    joined = tmp_path / "joined.sqlite"
    merged = merge_stores(joined, [first, second])
    assert merged.added == {"reply": 21, "embedding": 20}
    assert merged.n_same == 5 + 5 and merged.conflicts == (f"{second}: reply both",)
    with Store(joined) as store:
        assert put(store) == {key(i): reply(i) for i in range(20)} | {"both": {"says": "a"}}
    again = merge_stores(joined, [second])
    assert again.added == {"reply": 0, "embedding": 0} and again.conflicts == merged.conflicts
    assert verify_store(joined).is_sound
    for source, told in ((joined, "into itself"), (tmp_path / "none", "no such store")):
        with pytest.raises(InputError, match=told):
            merge_stores(joined, [source])


def test_entries_are_put_once_and_read_by_a_reader_beside_a_writer(tmp_path):
    with Store(tmp_path / "s.sqlite") as one, Store(tmp_path / "s.sqlite") as two:
        one.put_reply("k", {"n": 1})
        two.put_reply("k", {"n": 2})
        assert one.get_reply("k") == two.get_reply("k") == {"n": 1}
        assert json.dumps(verify_store(tmp_path / "s.sqlite").n_sound) == '{"reply": 1, "embedding": 0}'


def test_no_damage_ends_in_anything_but_sound_rows_or_one_line(tmp_path):
    whole = filled(tmp_path / "s.sqlite", range(60)).read_bytes()
    was = {key(i): reply(i) for i in range(60)}
    rng, n_opened, n_saved = random.Random(5), 0, 0
    for i in range(40):
        raw = bytearray(whole if i % 2 else whole[: rng.randrange(1, len(whole))])
        for _ in range(rng.choice((1, 20, 300))):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        path, mended = tmp_path / f"d{i}", tmp_path / f"m{i}"
        path.write_bytes(raw)
        try:
            verify_store(path, repair=mended)
        except InputError as error:
            assert "\n" not in str(error)
            continue
        n_opened += 1
        with Store(mended) as store:
            saved = put(store)
        assert saved.items() <= was.items()
        n_saved += len(saved)
    assert n_opened > 20 and n_saved > 500, "else nothing was shown"
