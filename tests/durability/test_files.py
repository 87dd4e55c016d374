"""Every file is written whole or not at all, whatever goes wrong on the way, and whoever else writes it."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from durability_writers import WRITERS, labels, verdicts

from grader import Verdict, read_verdicts, write_verdicts
from grader.errors import InputError
from grader.files.atomic import write_text
from grader.files.lock import writing
from labels import read_labels
from labels.history import grow, read_history

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("grader", "labels", "calibration", "harmrate")
# What writes a file, by the name of the call, and which of its words is the file: the owner, or a number.
WRITES: dict[str, str | int] = {
    "write_text": "owner", "write_bytes": "owner", "to_csv": 0, "to_parquet": 0, "to_json": 0, "to_excel": 0,
    "savefig": 0, "ParquetWriter": 0, "copyfile": 1, "copy": 1, "move": 1,
}  # fmt: skip
# A path beside the file, put in its place when it is complete.
PARTIAL = {"partial", "self._partial"}
# What writes to a path or stream that its caller has from `written_whole`; and a lock, which holds nothing.
KNOWN = {
    ("grader/files/cells.py", "to_csv(file)"),
    ("grader/transcript_files.py", "open(path)"),
    ("grader/transcript_files.py", "ParquetWriter(path)"),
    ("grader/verdict/read.py", "open(path)"),
    ("grader/verdict/read.py", "ParquetWriter(path)"),
    ("grader/files/storage.py", "write_text(file)"),
    # In a temporary folder of its own.
    ("calibration/study/campaign/shard_sampling.py", "ParquetWriter(self._file)"),
    ("labels/history.py", "open(path.with_name(f'.{path.name}.lock'))"),
}


def writes_in_place(text: str) -> list[str]:
    """Calls in a module that write a file under its own name at once."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        is_method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name == "open" and any(len(word) <= 3 and set(word) & set("wax+") for word in words):
            target = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
        elif is_method and name in WRITES and (WRITES[name] == "owner" or len(node.args) > int(WRITES[name])):
            place = WRITES[name]
            target = node.func.value if isinstance(place, str) else node.args[place]  # type: ignore[attr-defined]
        else:
            continue
        if ast.unparse(target) not in PARTIAL:
            found.append(f"{name}({ast.unparse(target)})")
    return found


def test_no_module_writes_a_file_in_its_place() -> None:
    modules = [p for package in PACKAGES for p in (ROOT / package).rglob("*.py")]
    found = {(p.relative_to(ROOT).as_posix(), call) for p in modules for call in writes_in_place(p.read_text())}
    assert len(modules) > 150
    assert found - KNOWN == set(), "write it through `written_whole`"
    assert KNOWN - found == set(), "no longer there"


@pytest.mark.parametrize(
    "line", ["Path(x).write_text('')", "open(out, 'w')", "f.to_csv(out / 'a.csv')", "out.open('ab')", "out.open('x')"]
)
def test_the_search_finds_them(line: str) -> None:
    assert len(writes_in_place(line)) == 1
    assert writes_in_place("open(a); a.open('rb'); f.to_csv(partial); partial.write_text('w'); say.write_text") == []


# ---- Faults ----------------------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    """All files but locks, which stay and hold nothing."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def no_flush(_: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def no_replace(self: Path, target: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAULTS: dict[str, tuple[str, Callable[..., None]]] = {
    "the disk fails": ("os.fsync", no_flush),
    "no space": ("pathlib.Path.replace", no_replace),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WRITERS)
def test_what_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    write = WRITERS[name]
    write(tmp_path, 1)
    before = contents(tmp_path)
    assert before
    with monkeypatch.context() as patched:
        patched.setattr(*FAULTS[fault])
        with pytest.raises((InputError, OSError), match=os.strerror(errno.EIO if "fails" in fault else errno.ENOSPC)):
            write(tmp_path, 2)
    assert contents(tmp_path) == before
    write(tmp_path, 2)
    assert contents(tmp_path) != before
    assert not [n for n in contents(tmp_path) if n.endswith(".partial")]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, GeneratorExit])
def test_rows_that_break_off_leave_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    def broken() -> object:
        yield from verdicts(2)
        raise error("broken off")

    for suffix in ("parquet", "csv", "jsonl"):
        write_verdicts(verdicts(1), tmp_path / f"v.{suffix}")
    before = contents(tmp_path)
    for suffix in ("parquet", "csv", "jsonl"):
        with pytest.raises(error):
            write_verdicts(broken(), tmp_path / f"v.{suffix}")  # type: ignore[arg-type]
    assert contents(tmp_path) == before


# ---- Several writers -------------------------------------------------------------------------------------------------


def together(*works: Callable[[], None]) -> None:
    """Run all at once; the first error is raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_of_two_writers_one_wins_whole(tmp_path: Path) -> None:
    texts = ["a" * 50_000, "b" * 70_000]
    seen = set()

    def read() -> None:
        for _ in range(200):
            if (tmp_path / "x.txt").exists():
                seen.add((tmp_path / "x.txt").read_text())

    def write(text: str) -> Callable[[], None]:
        return lambda: [write_text(tmp_path / "x.txt", text) for _ in range(30)] and None

    together(write(texts[0]), write(texts[1]), read)
    assert seen <= set(texts) and (tmp_path / "x.txt").read_text() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_nor_do_tables_mix(tmp_path: Path, suffix: str) -> None:
    def write(version: int) -> Callable[[], None]:
        def work() -> None:
            for _ in range(5):
                write_verdicts(verdicts(version), tmp_path / f"v.{suffix}")
                labels(version).write(tmp_path / f"l.{suffix}")

        return work

    together(write(1), write(2))
    found = read_verdicts(tmp_path / f"v.{suffix}")
    assert len(found) == len(verdicts(1)) and found["grader_version"].nunique() == 1
    assert len(read_labels(tmp_path / f"l.{suffix}").frame) == len(labels(1).frame)


def test_two_pulls_at_once_lose_no_label(tmp_path: Path) -> None:
    def pull(part: int) -> Callable[[], None]:
        rows = labels(1).frame.assign(project=f"p{part}", kind="annotation", annotation=range(40))
        return lambda: [grow(tmp_path / "labels.parquet", rows.iloc[: 10 * n]) for n in range(1, 5)] and None

    together(*(pull(part) for part in range(3)))
    assert read_history(tmp_path / "labels.parquet").groupby("project").size().to_dict() == {
        "p0": 40,
        "p1": 40,
        "p2": 40,
    }


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "v.jsonl").symlink_to(precious)
    write_verdicts(
        [Verdict(transcript_id="t", harm="h", grader="g", grader_version="1", present=True)], tmp_path / "v.jsonl"
    )
    assert precious.read_text() == "mine" and not (tmp_path / "v.jsonl").is_symlink()


def test_one_process_writes_a_report_at_a_time(tmp_path: Path) -> None:
    """A second run into the same folder is refused in one line; the lock ends with the process that held it."""
    hold = "import sys, pathlib, time\nfrom grader.files.lock import writing\n"
    hold += "with writing(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    holder = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another harmrate is writing here"), writing(tmp_path):
            raise AssertionError
    finally:
        holder.kill()
        holder.communicate()
    with writing(tmp_path):
        assert tmp_path.is_dir()
