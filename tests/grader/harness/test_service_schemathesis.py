"""schemathesis throws what the OpenAPI document allows, and what it does not, at the service: it finds no 5xx."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.service, pytest.mark.slow]

SERVE = """
import sys
from grader import Verdict
from grader.service.serve import serve

class Shouts:
    name, version, kind = "shouts", "1", "rule"
    def grade(self, transcripts):
        for t in transcripts:
            yield Verdict(transcript_id=t.id, harm="shouting", grader="shouts", grader_version="1",
                          present=any("!" in m.text for m in t.messages))

serve([Shouts()], port=0)
"""


def test_schemathesis_finds_no_server_error(tmp_path, command, run) -> None:
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(module, reason="the extra 'serve' is not installed")
    schemathesis = command("schemathesis", "st")
    (tmp_path / "service.py").write_text(SERVE)
    with subprocess.Popen([sys.executable, "service.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as service:
        try:
            found = (re.search(r"running on (http://\S+)", line) for line in service.stderr)
            url = next(match[1] for match in found if match)
            checks = "not_a_server_error,response_schema_conformance"
            args = ["--checks", checks, "--max-examples", 200, "--seed", 1]
            out = run(schemathesis, "run", f"{url}/openapi.json", *args, cwd=tmp_path)
        finally:
            service.kill()
    # It ended with 0: every check of every request held.
    generated, passed = map(int, re.search(r"(\d+) generated, (\d+) passed", out).groups())
    assert generated == passed > 200
