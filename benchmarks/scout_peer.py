"""Inspect Scout's `llm_scanner` over transcripts of ours; run by `benchmarks.judge` with a Python that has Scout.

python benchmarks/scout_peer.py TRANSCRIPTS.jsonl ADDRESS MODEL CONCURRENCY
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Print the seconds of the scan (reading and importing left out) and how many transcripts have a result."""
    import inspect_scout  # type: ignore[import-not-found, unused-ignore]
    from inspect_ai.model import (  # type: ignore[import-not-found, unused-ignore]
        ChatMessageAssistant,
        ChatMessageUser,
        GenerateConfig,
    )

    source, address, model, concurrency = sys.argv[1:]
    os.environ |= {"ANTHROPIC_API_KEY": "test"}
    speakers: dict[str, Any] = {"user": ChatMessageUser, "assistant": ChatMessageAssistant}
    records = [json.loads(line) for line in Path(source).read_text().splitlines()]
    transcripts = [
        inspect_scout.Transcript(
            transcript_id=r["id"], messages=[speakers[m["role"]](content=m["text"]) for m in r["messages"]]
        )
        for r in records
    ]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_insert(f"{folder}/transcripts", transcripts))
        start = time.perf_counter()
        status = inspect_scout.scan(
            [inspect_scout.llm_scanner(question="Did the assistant deceive the user?", answer="boolean")],
            inspect_scout.transcripts_from(f"{folder}/transcripts"),
            scans=f"{folder}/scans",
            model=f"anthropic/{model}",
            model_base_url=address,
            model_args={"streaming": False},
            model_config=GenerateConfig(max_connections=int(concurrency), max_tokens=4096),
            max_transcripts=int(concurrency),
            max_processes=1,
            display="none",
        )
        seconds = time.perf_counter() - start
    (summary,) = status.summary.scanners.values()
    sys.stdout.write(json.dumps({"seconds": seconds, "n_scans": summary.scans, "n_errors": summary.errors}) + "\n")


async def _insert(location: str, transcripts: list[Any]) -> None:
    import inspect_scout

    async with inspect_scout.transcripts_db(location) as database:
        await database.insert(transcripts)


if __name__ == "__main__":
    main()
