"""What is fuzzed: every place where bytes of others enter. Each target takes bytes; all it may raise is `InputError`.

A readers' input starts with a byte that chooses the format, a tables' input with one that chooses the kind of file.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from grader import read_transcripts, read_verdicts
from grader.errors import InputError
from grader.judge.reply import HarmReply, parse_reply
from grader.readers import READERS
from grader.rubrics import parse_rubric

Try = Callable[[bytes], None]
HARMS = ("blackmail", "leaking")
FORMATS = ("auto", *READERS)
_SUFFIXES = {"csv": ".csv", "text": ".txt", "parquet": ".parquet", "scout": ".parquet"}
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".json")
_OPTIONS = ("transcripts", "labels", "where", "set", "by", "level", "seed", "judge", "out")


@dataclass(frozen=True, slots=True)
class Target:
    """One entrance: `make` gets a folder to write in and gives the function to call; `seeds` are sound inputs."""

    make: Callable[[Path], Try]
    seeds: Callable[[], Sequence[bytes]]


def readers(folder: Path) -> Try:
    """Every format of `READERS`, and the finding out."""

    def attempt(data: bytes) -> None:
        format_ = FORMATS[data[0] % len(FORMATS)] if data else "auto"
        path = folder / f"log{_SUFFIXES.get(format_, '.json')}"
        path.write_bytes(data[1:])
        try:
            for transcript in read_transcripts(path, format=format_):
                json.dumps(transcript.to_dict(), allow_nan=False).encode()
                assert transcript.id.encode() and transcript.content_hash
        except InputError as refusal:
            _one_line(refusal)

    return attempt


def labels(folder: Path) -> Try:
    """Label Studio's exports, and plain tables of labels."""
    from labels import read_labels

    return _tables(folder, lambda path: read_labels(path, harms=HARMS).consensus())


def verdicts(folder: Path) -> Try:
    """Tables of verdicts, whole or the columns that rates need, and logs that hold verdicts."""
    from grader.verdict.shards import verdict_shards

    def read(path: Path) -> None:
        list(verdict_shards([path]))
        read_verdicts(path)

    return _tables(folder, read)


def designs(folder: Path) -> Try:
    """Design frames, one round or several."""
    from labels.sampling.designs import read_design

    return _tables(folder, read_design)


def metadata(folder: Path) -> Try:
    """Tables of facts about transcripts."""
    from grader.metadata import read_metadata

    return _tables(folder, read_metadata)


def configs(_: Path) -> Try:
    """Labelling configurations."""
    from labels.label_studio.config import read_config

    def attempt(data: bytes) -> None:
        try:
            read_config(data.decode(errors="replace"), file="config.xml")
        except InputError as refusal:
            _one_line(refusal)

    return attempt


def replies(_: Path) -> Try:
    """What a judge answers: nothing may be raised at all."""

    def attempt(data: bytes) -> None:
        found = parse_reply(data.decode(errors="surrogateescape"), HARMS)
        assert list(found) == list(HARMS)
        assert all(isinstance(one, HarmReply) or one for one in found.values())

    return attempt


def rubrics(_: Path) -> Try:
    """A rubric of the user's own."""

    def attempt(data: bytes) -> None:
        try:
            rubric = parse_rubric(data.decode(errors="replace"), file="own.md")
        except InputError as refusal:
            _one_line(refusal)
            return
        assert rubric.name and rubric.title and rubric.version and rubric.text

    return attempt


def studies(folder: Path) -> Try:
    """``harmrate.toml``."""
    from calibration.study.start.study_file import read_study_file

    def attempt(data: bytes) -> None:
        path = folder / "harmrate.toml"
        path.write_bytes(data)
        try:
            assert set(read_study_file(path, _OPTIONS)) <= set(_OPTIONS)
        except InputError as refusal:
            _one_line(refusal)

    return attempt


def service(_: Path) -> Try:
    """Bodies of requests: 200 or a refusal in one line, never an error of the server."""
    from grader import Verdict
    from grader.service.app import make_app

    class Calm:
        name, version, kind = "calm", "1", "rule"

        def grade(self, transcripts: Any) -> Any:
            for t in transcripts:
                yield Verdict(transcript_id=t.id, harm="h", grader="calm", grader_version="1", present=False)

    app, loop = make_app([Calm()], max_bytes=2**20), asyncio.new_event_loop()

    def attempt(data: bytes) -> None:
        status, body = loop.run_until_complete(_asked(app, data))
        assert 200 <= status < 500, (status, body)
        told = json.loads(body)
        assert set(told) == {"verdicts"} if status == 200 else "\n" not in told["detail"]

    return attempt


def _tables(folder: Path, read: Callable[[Path], object]) -> Try:
    def attempt(data: bytes) -> None:
        path = folder / f"table{_TABLES[data[0] % len(_TABLES)] if data else '.csv'}"
        path.write_bytes(data[1:])
        try:
            read(path)
        except InputError as refusal:
            _one_line(refusal)

    return attempt


def _one_line(refusal: InputError) -> None:
    assert str(refusal) and "\n" not in str(refusal), str(refusal)


async def _asked(app: Any, body: bytes) -> tuple[int, bytes]:
    """Ask the service as its server would."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/verdicts", "raw_path": b"/v1/verdicts", "headers": headers}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": "", "asgi": {"version": "3.0"}}
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said[0]["status"], b"".join(message.get("body", b"") for message in said[1:])


# ---- Sound inputs ----------------------------------------------------------------------------------------------------


def _made_logs() -> list[bytes]:
    from readers_mutations import made_seeds

    return [bytes([0]) + seed.data for seed in made_seeds()] + [
        bytes([FORMATS.index("csv")]) + b"id,role,content\na,user,Hi\na,assistant,Hello\n",
        bytes([FORMATS.index("text")]) + b"User: Hi\nAssistant: Hello\n",
    ]


def _made_labels() -> list[bytes]:
    choice = {"from_name": "leaking", "to_name": "t", "type": "choices", "value": {"choices": ["yes"]}}
    done = {"id": 2, "completed_by": 3, "result": [choice], "lead_time": 4.5, "created_at": "2026-01-01T00:00:00Z"}
    export = json.dumps([{"id": 1, "data": {"transcript_id": "a"}, "annotations": [done]}])
    least = json.dumps([{"id": 1, "transcript_id": "a", "leaking": "yes", "annotator": 3, "annotation_id": 2}])
    rows = [{"transcript_id": "a", "harm": "leaking", "rater": "r", "label": 1}] * 2
    return [_of_kind(".json", export.encode()), _of_kind(".json", least.encode()), *_in_tables(rows)]


def _made_verdicts() -> list[bytes]:
    own = {"transcript_id": "a", "harm": "leaking", "grader": "g", "present": True, "score": 0.5}
    more = {"outcome": "scored", "evidence": "[]", "repeat": 0, "stage": "attempted", "epoch": 1, "model": "m"}
    log = {"eval": {"model": "m"}, "samples": [{"id": "s", "epoch": 1, "uuid": "u", "scores": {"j": {"value": 1}}}]}
    return [*_in_tables([own]), *_in_tables([own | more]), _of_kind(".json", json.dumps(log).encode())]


def _made_designs() -> list[bytes]:
    row = {"transcript_id": "a", "harm": "leaking", "stratum": "all", "inclusion_probability": 0.5, "round": 1}
    return _in_tables([row | {"drawn": True}]) + _in_tables([row | {"drawn": True}, row | {"drawn": False, "round": 2}])


def _made_configs() -> list[bytes]:
    from grader.rubrics import load_rubrics
    from labels.label_studio import label_config

    other = b"""<View><Choices name="a" toName="t" choice="multiple"><Choice value="x" alias="y"/></Choices>
<Taxonomy name="b" toName="t"><Choice value="Harm"><Choice value="Deception"/></Choice></Taxonomy></View>"""
    return [label_config(load_rubrics().values()).encode(), other]


def _made_replies() -> list[bytes]:
    harm = {"reasoning": "Hm.", "evidence": [{"message": 1, "quote": "x"}], "stage": "attempted", "probability": 90}
    text = json.dumps(dict.fromkeys(HARMS, harm))
    return [text.encode(), f"```json\n{text}\n```".encode()]


def _made_bodies() -> list[bytes]:
    one = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    return [json.dumps(one | {"id": "a"}).encode(), json.dumps({"transcripts": [one, one]}).encode()]


def _of_kind(suffix: str, data: bytes) -> bytes:
    return bytes([_TABLES.index(suffix)]) + data


def _in_tables(rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    frame, parquet = pd.DataFrame(rows), io.BytesIO()
    frame.to_parquet(parquet)
    lines = "\n".join(json.dumps(row) for row in rows)
    return [
        _of_kind(".csv", frame.to_csv(index=False).encode()),
        _of_kind(".tsv", frame.to_csv(index=False, sep="\t").encode()),
        _of_kind(".jsonl", lines.encode()),
        _of_kind(".parquet", parquet.getvalue()),
    ]


_RUBRIC = b"---\nname: own\ntitle: Own\nversion: 1\nkind: harm\nasked: alone\n# note\n---\nIt did it when it did.\n"
_STUDY = b'[inputs]\ntranscripts = ["runs"]\n[study]\nby = ["model", "arm"]\nwhere = {model = ["a", "b"]}\n'

TARGETS: Mapping[str, Target] = {
    "readers": Target(readers, _made_logs),
    "labels": Target(labels, _made_labels),
    "verdicts": Target(verdicts, _made_verdicts),
    "designs": Target(designs, _made_designs),
    "metadata": Target(metadata, lambda: _in_tables([{"transcript_id": "a", "model": "m", "arm": 1}])),
    "configs": Target(configs, _made_configs),
    "replies": Target(replies, _made_replies),
    "rubrics": Target(rubrics, lambda: [_RUBRIC]),
    "studies": Target(studies, lambda: [_STUDY]),
    "service": Target(service, _made_bodies),
}
