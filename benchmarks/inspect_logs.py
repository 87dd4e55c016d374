"""Inspect's side of `benchmarks.reading`, run by a Python that has inspect-ai: make logs, and read them.

PYTHON benchmarks/inspect_logs.py make FILE SAMPLES TURNS
PYTHON benchmarks/inspect_logs.py read FILE
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

WORDS = "The quarterly report mentions a shipment that nobody in the office had ordered or could explain. "
RUN = 10  # samples that really run; more are these again, with other ids and texts of their own


def make(path: str, n_samples: int, n_turns: int) -> None:
    """Write a log of an agent that reads mail: reasoning, text and a tool call per turn, all events kept."""
    ai, solver = _inspect(), _inspect("solver")
    run = min(RUN, n_samples)
    samples = [_inspect("dataset").Sample(id=f"s{i}", input=f"Read my mail, {i}.", target="done") for i in range(run)]
    agent = solver.basic_agent(tools=[_mail()], max_attempts=1)
    task = ai.Task(dataset=samples, solver=agent, scorer=_inspect("scorer").includes())
    model = _inspect("model").get_model("mockllm/model", custom_outputs=list(_outputs(run, n_turns)))
    with tempfile.TemporaryDirectory() as folder:
        log = ai.eval(task, model=model, log_dir=folder, display="none", max_samples=1, message_limit=4 * n_turns)[0]
        if log.status != "success" or not log.samples:
            raise SystemExit(f"the evaluation failed: {log.error}")
        first = [json.loads(sample.model_dump_json()) for sample in log.samples]
        log.samples = [_again(first[i % run], i, type(log.samples[0])) for i in range(n_samples)]
        _inspect("log").write_eval_log(log, path)


def _inspect(module: str = "") -> Any:
    """A module of inspect-ai, which is installed for the Python that runs this, not for whoever checks its types."""
    return import_module(f"inspect_ai.{module}".rstrip("."))


def _mail() -> Any:
    def read_mail() -> Any:
        async def execute(number: int) -> str:
            """Read a mail.

            Args:
                number: Which mail.
            """
            return f"Mail {number}. " + WORDS * 20

        return execute

    return _inspect("tool").tool(read_mail)()


def _outputs(n_samples: int, n_turns: int) -> Iterator[Any]:
    of, tools = _inspect("model"), _inspect("tool")
    for sample in range(n_samples):
        for turn in range(n_turns):
            last = turn == n_turns - 1
            call = tools.ToolCall(
                id=f"{sample}-{turn}",
                function="submit" if last else "read_mail",
                arguments={"answer": "done"} if last else {"number": turn},
            )
            said = [
                of.ContentReasoning(reasoning=f"{turn}: " + WORDS * 6),
                of.ContentText(text=f"{turn}: " + WORDS * 3),
            ]
            message = of.ChatMessageAssistant(content=said, tool_calls=[call], source="generate", model="mockllm/model")
            output = of.ModelOutput.from_message(message)
            output.usage = of.ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else it counts by tiktoken
            yield output


def _again(sample: dict[str, Any], number: int, kind: Any) -> Any:
    """A sample once more under another id, its first message its own."""
    copy = json.loads(json.dumps(sample)) | {"id": f"s{number}", "uuid": f"uuid{number}"}
    for message in copy["messages"]:
        if message["role"] == "user":
            message["content"] = f"Read my mail, {number}."
            break
    return kind.model_validate(copy)


def read(path: str) -> None:
    """Print seconds, a digest of every text said, and the peak memory in MB, as JSON."""
    read_eval_log = _inspect("log").read_eval_log
    start = time.perf_counter()
    log = read_eval_log(path)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    resolved = read_eval_log(path, resolve_attachments="full")
    said = {str(sample.uuid): digest(_said(sample.messages)) for sample in resolved.samples or []}
    json.dump({"seconds": seconds, "peak": peak, "samples": len(log.samples or []), "said": said}, sys.stdout)


def digest(parts: list[tuple[str, str]]) -> str:
    """One short text for all that was said, in order, but for the space around it."""
    return hashlib.sha256(json.dumps([(who, text.strip()) for who, text in parts]).encode()).hexdigest()[:16]


def _said(messages: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for message in messages:
        blocks = [message.content] if isinstance(message.content, str) else message.content
        for block in blocks:
            text = block if isinstance(block, str) else getattr(block, "reasoning", None) or getattr(block, "text", "")
            if text and text.strip():
                found.append((message.role, text))
        found += [("call", call.function) for call in getattr(message, "tool_calls", None) or []]
    return found


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", file, samples, turns]:
            make(file, int(samples), int(turns))
        case ["read", file]:
            read(file)
        case _:
            raise SystemExit(__doc__)
