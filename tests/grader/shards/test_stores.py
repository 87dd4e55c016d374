"""Stores of several machines: each writes its own, knows what is in the first, and all are joined."""

from __future__ import annotations

from pathlib import Path

from grader.shards.worker_stores import WorkerStore, join_stores, snapshot, store_of
from grader.store.store import Store


def test_a_worker_elsewhere_asks_for_nothing_that_is_paid_for_and_writes_only_its_own(tmp_path: Path):
    main = tmp_path / "store.sqlite"
    with Store(main) as store:
        store.put_reply("old", {"says": 1}, model="m")
    with Store(main) as first, snapshot(main, "made") as seen:
        first.put_reply("late", {"says": 2}, model="m")
        for host in ("node1", "node2"):
            with WorkerStore(store_of(main, host), seen) as store:
                assert store.get_reply("old") == {"says": 1}
                assert store.get_reply(host) is None and store.get_reply("late") is None
                store.put_reply(host, {"says": host}, model="m")
                assert store.get_reply(host) == {"says": host}
        assert first.counts()["reply"] == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".sqlite") == [
        "store.sqlite",
        "store.worker-node1.sqlite",
        "store.worker-node2.sqlite",
    ]
    join_stores(main)
    with Store(main) as store:
        assert store.counts()["reply"] == 4 and store.get_reply("node2") == {"says": "node2"}


def test_without_a_first_store_a_worker_has_its_own(tmp_path: Path):
    with (
        snapshot(tmp_path / "store.sqlite", "made") as seen,
        WorkerStore(tmp_path / "store.worker-node1.sqlite", seen) as store,
    ):
        assert store.get_reply("k") is None
        store.put_reply("k", {"says": 1}, model="m")
    join_stores(tmp_path / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        assert store.get_reply("k") == {"says": 1}
