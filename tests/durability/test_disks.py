"""Real disks that are full or only read, processes that are killed while they write, and clocks that jump.

``HARMRATE_KILLS=200 pytest -m slow tests/durability`` kills two hundred times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from durability_writers import WRITERS, verdicts
from judge_helpers import answer, transcript
from messages_server import MessagesServer
from typer.testing import CliRunner

from cli import app
from grader import write_verdicts
from grader.errors import InputError
from grader.judge import LLMJudge
from grader.judge.clients.sdk import close_with, make_client
from grader.judge.clients.sender import Retries
from grader.rubrics import load_rubrics
from grader.store.care import verify_store
from grader.store.store import Store
from grader.transcript_files import write_transcripts

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("HARMRATE_KILLS", "12"))


def harmrate(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


class Disk:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not one byte is left while the block runs."""
        filler = self.folder / ".filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        yield
        filler.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written while the block runs, by nobody."""
        self._remount("ro")
        yield
        self._remount("rw")

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system cannot be mounted here (that takes root)")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock" and p.name != ".filler")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize("state", ["full", "read_only"])
def test_a_disk_that_takes_nothing_keeps_what_it_has(disk: Disk, state: str) -> None:
    """Every writer in turn."""
    for name, write in WRITERS.items():
        folder = disk.folder / name.replace(" ", "_").replace("'", "")
        folder.mkdir()
        write(folder, 1)
        before = contents(folder)
        with getattr(disk, state)(), pytest.raises((InputError, OSError)) as refused:
            write(folder, 2)
        assert contents(folder) == before, name
        assert "\n" not in str(refused.value) and folder.name in str(refused.value), name
        for path in folder.rglob("*"):
            if path.is_file():
                path.unlink()


def test_a_store_on_a_full_disk_loses_nothing_it_was_given(disk: Disk) -> None:
    with Store(disk.folder / "s.sqlite") as store:
        given = 0
        with pytest.raises(InputError, match=r"s\.sqlite: cannot be written: .*(full|disk I/O)"):
            while True:
                store.put_reply(f"{given:064x}", {"text": random.Random(given).randbytes(2000).hex()})
                given += 1
        assert given > 20
    with Store(disk.folder / "s.sqlite") as store:  # opened again, on the disk as it is
        assert store.counts()["reply"] == given
    assert verify_store(disk.folder / "s.sqlite").is_sound
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk.folder)], check=True)
    with Store(disk.folder / "s.sqlite") as store:
        store.put_reply("more", {"text": "there is room again"})
        assert store.counts()["reply"] == given + 1


@pytest.mark.parametrize("state", ["full", "read_only"])
def test_commands_say_so_in_one_line(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    write_transcripts([transcript(i) for i in range(5)], tmp_path / "t.jsonl")
    write_verdicts(verdicts(1), tmp_path / "v.parquet")
    commands: list[list[object]] = [
        ["export", tmp_path / "v.parquet", "--to", "inspect", "--out", disk.folder / "r.jsonl"],
        ["labels", "config", "--out", disk.folder / "c.xml"],
        ["labels", "sample", tmp_path / "t.jsonl", "-n", 2, "--out", disk.folder / "round1"],
        ["init", tmp_path / "t.jsonl", "--out", disk.folder],
    ]
    with MessagesServer(answer) as server:
        grade = ["grade", tmp_path / "t.jsonl", "--judge", "claude-sonnet-5-5", "--base-url", server.base_url]
        commands.append([*grade, "--store", tmp_path / "s.sqlite", "--out", disk.folder / "v.csv"])
        commands.append([*grade, "--store", disk.folder / "s.sqlite", "--out", tmp_path / "v.csv"])
        with getattr(disk, state)():
            for command in commands:
                code, out, err = harmrate(*command)
                assert (code, out) == (2, ""), (command, err)
                (line,) = [line for line in err.splitlines() if line.startswith("harmrate: ")]
                assert str(disk.folder) in line, line
        asked = len(server.messages)
        # What was paid for is in the store: nothing is asked again.
        assert harmrate(*grade, "--store", tmp_path / "s.sqlite", "--out", disk.folder / "v.csv")[0] == 0
        assert len(server.messages) == asked > 0


@pytest.mark.slow
def test_a_full_standard_output(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    write_verdicts(verdicts(1), tmp_path / "v.parquet")
    with Path("/dev/full").open("w") as full:
        command = ["rate", "--verdicts", str(tmp_path / "v.parquet"), "--json"]
        run = subprocess.run(
            [sys.executable, "-c", "import cli; cli.main()", *command],
            stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert run.returncode == 2 and "No space left on device" in run.stderr and "Traceback" not in run.stderr


# ---- Killed while writing --------------------------------------------------------------------------------------------

_LOOP = """
import sys; sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from durability_writers import WRITERS
folder, version = Path(sys.argv[1]), 0
print("ready", flush=True)
while True:
    version += 1
    for name in sys.argv[2:]:
        WRITERS[name](folder, version % 50)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_files(tmp_path: Path) -> None:
    names = ["text", "verdicts.parquet", "verdicts.csv", "labels.parquet", "design.csv", "register"]
    versions: dict[str, set[bytes]] = {}
    whole = tmp_path / "whole"
    for version in range(50):  # what each file may be
        folder = whole / str(version)
        folder.mkdir(parents=True)
        for name in names[:-1]:
            WRITERS[name](folder, version)
        for path, data in contents(folder).items():
            versions.setdefault(path, set()).add(data)
    code = _LOOP.format(tests=str(ROOT / "tests"), root=str(ROOT))
    rng, folder = random.Random(20261128), tmp_path / "killed"
    folder.mkdir()
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(folder), *names], stdout=subprocess.PIPE, text=True, cwd=tmp_path
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.0, 0.3))
            process.send_signal(signal.SIGKILL)
        for path, data in contents(folder).items():
            if path.endswith(".partial"):
                continue  # of the killed: a name that nobody reads
            if path in versions:
                assert data in versions[path], path
            else:
                assert data.endswith(b"\n") and all(line.startswith(b"{") for line in data.splitlines())


# ---- Clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-86_400.0, -3.0e9, 86_400.0])
def test_a_store_whose_clock_jumps_keeps_and_lists_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    now = [time.time()]
    monkeypatch.setattr("grader.store.store.time.time", lambda: now[0])
    with Store(tmp_path / "s.sqlite") as store:
        for i in range(1200):
            store.put_reply(f"{i:064x}", {"n": i})
            now[0] += jump if i % 100 == 50 else -0.001
        assert sorted(e["key"] for e in store.entries()) == [f"{i:064x}" for i in range(1200)]
    assert verify_store(tmp_path / "s.sqlite").is_sound


def test_waiting_does_not_look_at_the_wall_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run, its pauses and its time limits go on while the clock is set back and forth."""
    real, jumps = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() + (-1e6, 1e6, -1e9)[next(jumps) % 3])
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    plan: Callable[[dict, int], str | None] = lambda body, attempt: "hang" if attempt == 0 else None  # noqa: E731
    with MessagesServer(answer, faults=plan) as server:
        client = make_client(server.base_url, timeout=0.3)
        retries = Retries(attempts=3, first_pause=0.01, longest_pause=0.02)
        judge = LLMJudge(client, "claude-sonnet-5-5", rubrics=load_rubrics(None, ["leaking"]), retries=retries)
        close_with(judge, client)
        found = list(judge.grade(transcript(i) for i in range(6)))
    assert [v.outcome for v in found] == ["scored"] * 6
