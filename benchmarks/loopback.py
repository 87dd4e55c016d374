"""The tests' loopback Messages API in a process of its own, for benchmarks: scripted replies, a fixed latency.

python -m benchmarks.loopback LATENCY    (ends with standard input)
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent / "tests"


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Serve while the ``with`` block runs; the address."""
    command = [sys.executable, "-m", "benchmarks.loopback", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        try:
            yield address[0]
        finally:
            process.terminate()


def main() -> None:
    """Serve until standard input ends."""
    sys.path.insert(0, str(TESTS))
    messages = importlib.import_module("messages_server")

    def reply(params: dict[str, Any]) -> Any:
        """The smallest value of the schema; without one, the answer that Inspect Scout's scanner looks for."""
        return messages.schema_reply(params) if "output_config" in params else "Nothing of the kind [M1].\n\nANSWER: no"

    with messages.MessagesServer(reply, latency=float(sys.argv[1]), record=False) as running:
        sys.stdout.write(f"{running.base_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
