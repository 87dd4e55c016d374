"""A Ray cluster of two workers makes the tables that one process makes, whatever becomes of a worker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from judge_helpers import transcript
from messages_server import MessagesServer
from sharded import JUDGE, manifest, name_request, reply, tables, write_shards

from grader.classifier import EmbeddingClassifier
from grader.judge.money.prices import load_prices

pytestmark = pytest.mark.service

ROOT = Path(__file__).resolve().parents[3]
N_SHARDS, N_EACH = 8, 8


@pytest.fixture(scope="module")
def python() -> str:
    """Of an environment that has Ray and finds our packages."""
    path = Path(os.environ.get("HARMRATE_HARNESSES", ROOT / ".venv" / "harness")) / "ray" / "bin" / "python"
    if not path.exists():
        pytest.skip(f"no Ray: {path} does not exist (make test-full installs it)")
    return str(path)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards, and a classifier trained on other transcripts."""
    folder = tmp_path_factory.mktemp("study")
    write_shards(folder / "runs", N_SHARDS, N_EACH)
    training = [transcript(1000 + i, extra="harmless " * (i % 2)) for i in range(44)]
    labels = [float(i % 2 == 0) for i in range(44)]
    EmbeddingClassifier().fit(training, {"blackmail": labels}, groups=[None] * 44).save(folder / "classifier")
    return folder


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer(reply, name_request=name_request, latency=0.2) as running:
        yield running


def command(python: str, server: MessagesServer, *options: object) -> list[str]:
    parts = (python, "-m", "cli", "grade", "runs", "--base-url", server.base_url, "--judge", JUDGE, *options)
    return [str(part) for part in parts]


def environment() -> dict[str, str]:
    return os.environ | {"ANTHROPIC_API_KEY": "test", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(parts: list[str], cwd: Path, code: int = 0) -> str:
    done = subprocess.run(parts, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr[-3000:]
    assert done.stdout == "", "notes go to stderr"
    return done.stderr


def children(pid: int) -> set[int]:
    """All processes that come from one."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, more = {pid}, {pid}
    while more:
        more = {child for child, parent in parents.items() if parent in more} - found
        found |= more
    return found - {pid}


def workers(pid: int) -> list[int]:
    """The workers of a cluster that a process has started."""
    named = []
    for child in children(pid):
        try:
            name = Path(f"/proc/{child}/cmdline").read_text()
        except OSError:
            continue
        if name.startswith("ray::") and "Map(_Stages)" in name:
            named.append(child)
    return named


def test_tables_are_those_of_one_process_though_a_worker_is_killed(python: str, study: Path, server: MessagesServer):
    graders = ("--classifier", "classifier")
    run(command(python, server, *graders, "--out", "local/", "--store", "local.sqlite"), study)
    n_alone = len(server.messages)
    assert n_alone == N_SHARDS * N_EACH
    whole = tables(study / "local")
    assert len(whole) == N_SHARDS
    server.requests.clear()
    server.max_in_flight = 0
    options = ("--engine", "ray", "--workers", 2, "--concurrency", 3, "--store", "ray.sqlite")
    job = subprocess.Popen(
        command(python, server, *graders, "--out", "ray/", *options),
        cwd=study,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    killed = set[int]()
    while job.poll() is None and len(killed) < 2:
        time.sleep(0.05)
        if len(tables(study / "ray")) > len(killed):  # once after the first table, once after the second
            victims = [pid for pid in workers(job.pid) if pid not in killed]
            if victims and server.max_in_flight:
                os.kill(victims[0], signal.SIGKILL)
                killed.add(victims[0])
    told = job.communicate(timeout=300)[1]
    assert job.returncode == 0, told[-3000:]
    assert killed, "else nothing was shown"
    assert tables(study / "ray") == whole
    assert server.max_in_flight <= 3 + 3 * len(killed), "but for requests of the killed, which the server still answers"
    assert len(server.messages) <= n_alone + 3 * len(killed), "what was answered before is not asked again"
    assert f"{N_SHARDS} graded now, 0 were finished, 0 failed" in told


def test_one_limit_of_requests_and_money_for_all_workers(python: str, study: Path, server: MessagesServer):
    options = ("--engine", "ray", "--workers", 2, "--concurrency", 3, "--store", "money.sqlite")
    told = run(command(python, server, *options, "--out", "money/", "--max-cost", 1e-6), study, code=1)
    one = re.search(r"can cost \$([\d.]+)", told)
    assert one is not None and not server.messages
    cost = load_prices().cost(JUDGE, {"input_tokens": 1000, "output_tokens": 50})
    assert cost is not None
    limit = float(one[1]) + 20 * cost
    told = run(command(python, server, *options, "--out", "money/", "--max-cost", limit), study, code=1)
    assert "of --max-cost $" in told and "Traceback" not in told
    assert server.max_in_flight <= 3
    assert 10 < len(server.messages) < 30
    left = manifest(study / "money")
    assert len(left["shards"]) + len(left["failures"]) == N_SHARDS and left["failures"]
    run(command(python, server, *options, "--out", "money/"), study)
    assert len(server.messages) == N_SHARDS * N_EACH, "a rerun asks the rest"
    assert manifest(study / "money")["failures"] == {}


def test_a_shard_that_kills_its_workers_is_named_and_the_others_are_graded(python: str, study: Path):
    """The reader of a format is a function of the user's own: here one that ends its process on one file."""
    (study / "poison.py").write_text(
        """
import json, os, sys
from functools import partial
from pathlib import Path
from grader.shards.cluster import Cluster
from grader.shards.stages import ReadOptions
from grader.readers.read import READERS
from grader.rubrics import load_rubrics
from grader.graders import GraderSetup
from grader.shards.run import grade_shards

def read(path):
    if path.name == "a3.jsonl":
        os.kill(os.getpid(), 9)
    return READERS["parquet" if path.suffix == ".parquet" else "harmrate"](path)

setup = GraderSetup(rubrics=load_rubrics(None, ["blackmail"]), gate="keyword")
run = grade_shards(["runs"], "poisoned/", setup, store=Path("p.sqlite"), reading=ReadOptions(format=read),
                   cluster=Cluster(workers=2))
print(json.dumps([run.n_graded, {name: f.reason for name, f in run.failures.items()}]))
"""
    )
    done = subprocess.run(
        [python, "poison.py"], cwd=study, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    n_graded, failures = json.loads(done.stdout.splitlines()[-1])
    assert n_graded == N_SHARDS - 1
    assert failures == {"runs/more/a3.jsonl": "runs/more/a3.jsonl: its worker was lost 4 times"}


def test_verdicts_of_transcripts_are_those_of_one_process(python: str, study: Path):
    (study / "stream.py").write_text(
        """
from grader import iter_verdicts, read_transcripts
from grader.judge.keyword_gate import KeywordGate

def said(engine):
    found = iter_verdicts(read_transcripts("runs"), [KeywordGate(harms=["blackmail"])], engine=engine)
    return sorted((v.transcript_id, v.harm, v.present) for v in found)

print(said("ray") == said("local"), len(said("local")))
try:
    graders = [KeywordGate(harms=["blackmail"])]
    graders[0].lock = __import__("threading").Lock()
    list(iter_verdicts(read_transcripts("runs"), graders, engine="ray"))
except ValueError as error:
    print(str(error)[:70])
"""
    )
    done = subprocess.run(
        [python, "stream.py"], cwd=study, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [
        f"True {N_SHARDS * N_EACH}",
        "graders must be such that they can be sent to workers, got one that ca",
    ]
