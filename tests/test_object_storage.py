"""From a bucket into a bucket, killed half-way, gone on with: the verdicts of local files."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from messages_server import MessagesServer
from object_storage import ObjectStorage
from sharded import JUDGE, manifest, name_request, reply, rows, write_shards

pytestmark = pytest.mark.service

ROOT = Path(__file__).resolve().parents[1]
N_SHARDS, N_EACH = 6, 6


@pytest.fixture
def python() -> str:
    path = Path(os.environ.get("HARMRATE_HARNESSES", ROOT / ".venv" / "harness")) / "ray" / "bin" / "python"
    if not path.exists():
        pytest.skip(f"no object storage: {path} does not exist (make test-full installs it)")
    return str(path)


@pytest.fixture
def storage(python: str) -> Iterator[ObjectStorage]:
    with ObjectStorage(python) as running:
        yield running


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer(reply, name_request=name_request, latency=0.05) as running:
        yield running


def test_a_killed_job_between_buckets_goes_on_and_ends_as_a_local_one(
    tmp_path: Path, python: str, storage: ObjectStorage, server: MessagesServer
) -> None:
    write_shards(tmp_path / "runs", N_SHARDS, N_EACH)
    storage.upload(tmp_path / "runs", "bucket")
    environment = storage.environment | {"ANTHROPIC_API_KEY": "test", "PYTHONPATH": str(ROOT)}

    def harmrate(*parts: object) -> subprocess.Popen[str]:
        command = [python, "-m", "cli", *map(str, parts)]
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def grade(source: str, out: str, store: str) -> subprocess.Popen[str]:
        judge = ("--judge", JUDGE, "--base-url", server.base_url, "--concurrency", 2)
        return harmrate("grade", source, "--out", out, "--store", store, *judge)

    job = grade("s3://bucket/runs", "s3://bucket/v", "s.sqlite")
    while len(server.messages) < N_SHARDS * N_EACH // 2 and job.poll() is None:
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.communicate()
    asked = len(server.messages)
    assert N_EACH < asked < N_SHARDS * N_EACH, "killed half-way"
    storage.download("bucket/v", tmp_path / "half")
    finished = list((tmp_path / "half").rglob("*.parquet"))
    assert 0 < len(finished) < N_SHARDS and all(len(pd.read_parquet(path)) == 3 * N_EACH for path in finished)
    assert len(manifest(tmp_path / "half")["failures"]) == N_SHARDS, "none was entered as done yet"

    job = grade("s3://bucket/runs", "s3://bucket/v", "s.sqlite")
    out, told = job.communicate(timeout=200)
    assert job.returncode == 0, told
    assert f"{N_SHARDS - len(finished)} graded now, {len(finished)} were finished" in told
    assert len(server.messages) <= N_SHARDS * N_EACH + 2, "what was answered is not asked again, but for what was out"
    assert "A-SECRET" not in out + told

    job = grade("runs", "local/", "local.sqlite")
    out, told = job.communicate(timeout=200)
    assert job.returncode == 0, told
    storage.download("bucket/v", tmp_path / "whole")
    remote = rows(pd.read_parquet(path) for path in (tmp_path / "whole").rglob("*.parquet"))
    local = rows(pd.read_parquet(path) for path in (tmp_path / "local").rglob("*.parquet"))
    pd.testing.assert_frame_equal(remote, local)
    told_by = manifest(tmp_path / "whole")
    assert told_by["failures"] == {} and all(record["input_mark"] for record in told_by["shards"])

    job = harmrate("rate", "--verdicts", "s3://bucket/v", "--harm", "blackmail", "--json")
    remote_rate, told = job.communicate(timeout=200)
    assert job.returncode == 0, told
    local_rate = harmrate("rate", "--verdicts", "local", "--harm", "blackmail", "--json").communicate(timeout=200)[0]
    assert remote_rate.partition('"provenance"')[0] == local_rate.partition('"provenance"')[0] != ""


def test_a_bucket_that_refuses_is_told_in_one_line(tmp_path: Path, python: str, storage: ObjectStorage) -> None:
    environment = storage.environment | {"ANTHROPIC_API_KEY": "test", "PYTHONPATH": str(ROOT)}
    command = [python, "-m", "cli", "grade", "s3://no-such-bucket/runs", "--out", "v/"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr[-2000:]
    assert done.stderr.startswith("harmrate: s3://no-such-bucket/runs: ") and "A-SECRET" not in done.stderr
    gone = environment | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=gone, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr[-2000:]
