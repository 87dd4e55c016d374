"""What 1,000 transcripts cost, and what follows for a million and more; docs/capacity.md holds the tables.

    python -m benchmarks.capacity [--rows 10000000]

Two kinds of transcripts: those of the shipped study, all different, and runs of 12 scenarios that share a prompt of
2,500 tokens. Tokens and money are those that `harmrate grade --dry-run` expects, at the dated prices that it knows.
Bytes are of a store and of verdicts made from the shipped study's recorded replies. Processor time is of one process
each, start-up left out. The statistics are predicted for `--rows` verdicts from a tenth and three tenths of them, and
measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import scale
from benchmarks.children import module
from benchmarks.classifier_speed import let_grade
from benchmarks.results import Found, Measured, number
from calibration.study.demo import JUDGE, find_study
from grader.grading import grade
from grader.judge import LLMJudge
from grader.judge.clients.replay import ReplayClient
from grader.judge.money.estimate import Estimate, estimate
from grader.judge.money.prices import Tokens, load_prices
from grader.readers import read_transcripts
from grader.rubrics import load_rubrics
from grader.store.store import Store
from grader.transcript import Message, Transcript
from grader.verdict.read import write_verdicts

MODELS = ("claude-haiku-4-5", "claude-sonnet-5-5")
REPEATS = (1, 3)
SIZES = (10**6, 10**8, 10**9)
N_SCENARIOS, N_RUNS, PROMPT_WORDS, REPLY_WORDS = 12, 50, 2_500, 250
_WORDS = "report meeting account access system update server review project manager schedule policy data budget".split()


def shipped() -> list[Transcript]:
    """The transcripts of the shipped study."""
    return list(read_transcripts(str(find_study() / "transcripts.jsonl")))


def shared_prompts(rng: np.random.Generator) -> list[Transcript]:
    """Runs of scenarios one after another; every word is about one token."""
    made = []
    for scenario in range(N_SCENARIOS):
        prompt = Message(role="user", kind="text", text=" ".join(rng.choice(_WORDS, PROMPT_WORDS)))
        for run in range(N_RUNS):
            reply = Message(role="assistant", kind="text", text=" ".join(rng.choice(_WORDS, REPLY_WORDS)))
            made.append(Transcript(id=f"s{scenario}-{run}", messages=(prompt, reply)))
    return made


class _Nobody:
    """A client for a judge that only says what it would ask."""

    def send(self, request: object) -> Any:
        raise NotImplementedError


def expected(runs: Sequence[Transcript], model: str, repeats: int = 1) -> dict[str, float]:
    """Requests, tokens and dollars of 1,000 transcripts: with the cache, without, and in batches."""
    judge = LLMJudge(_Nobody(), model, rubrics=load_rubrics(), repeats=repeats)
    prices = load_prices()
    one: Estimate = estimate(judge.requests(runs), prices)
    batch = estimate(judge.requests(runs), prices, service="batch")
    price = prices.of(model)
    assert price is not None and one.cost is not None and batch.cost is not None
    plain = price.cost(Tokens(input=one.input_tokens, output=one.output_tokens))
    times = 1_000 / len(runs)
    return {
        "requests": times * one.n_requests,
        "input": times * one.input_tokens,
        "cached": times * one.cached_tokens,
        "output": times * one.output_tokens,
        "with cache": times * one.cost,
        "no cache": times * plain,
        "batches": times * batch.cost,
        "batches, no cache": times * plain * prices.batch_discount,
    }


def by_judge(folder: Path) -> dict[str, float]:
    """Processor seconds and bytes of 1,000 transcripts of the shipped study, by a judge whose replies are recorded."""
    start = time.process_time()
    runs = shipped()
    read = time.process_time()
    with Store(folder / "store.sqlite") as store:
        judge = LLMJudge(ReplayClient(find_study() / "replies.jsonl"), rubrics=load_rubrics(), model=JUDGE, store=store)
        verdicts = grade(runs, [judge])
    graded = time.process_time()
    write_verdicts(verdicts, folder / "verdicts.parquet")
    written = time.process_time()
    times = 1_000 / len(runs)
    text = (find_study() / "transcripts.jsonl").stat().st_size
    stored = sum(path.stat().st_size for path in folder.glob("store.sqlite*"))
    return {
        "read": times * (read - start),
        "judge": times * (graded - read),
        "write": times * (written - graded),
        "transcript bytes": text / len(runs),
        "store bytes": stored / len(runs),
        "verdict bytes": (folder / "verdicts.parquet").stat().st_size / len(verdicts),
        "verdicts": len(verdicts) / len(runs),
    }


def by_classifier(_: Path) -> dict[str, float]:
    """Processor seconds and seconds on the clock of 1,000 transcripts of the shipped study by a classifier, int8."""
    from grader.classifier import EmbeddingClassifier
    from grader.classifier.loading import load_encoder

    runs = shipped()
    seen, own = runs[:120], runs[120:]
    classifier = EmbeddingClassifier(load_encoder("all-MiniLM-L6-v2", backend="onnx-int8", device="cpu"))
    let_grade(classifier.fit(seen, {"harm": np.arange(len(seen), dtype=np.float64) % 2}))
    start, clock = time.process_time(), time.perf_counter()
    n = sum(1 for _ in classifier.grade(own))
    times = 1_000 / n
    return {"classifier": times * (time.process_time() - start), "clock": times * (time.perf_counter() - clock)}


STEPS = {"judge": by_judge, "classifier": by_classifier}


def statistics(rows: int) -> dict[str, float]:
    """Processor time of counting, peak MB of rates: predicted from a tenth and three tenths of `rows`, and measured."""
    sizes = [rows // 10, 3 * rows // 10, rows]
    found = [scale.took(size, max(4, size * scale.SHARDS // rows)) for size in sizes]
    seconds, megabytes = ([one[name] for one in found] for name in ("used", "MB"))
    told: dict[str, float] = {}
    for name, values in (("s", seconds), ("MB", megabytes)):
        slope, start = np.polyfit(sizes[:2], values[:2], 1)
        told |= {f"{name} predicted": start + slope * rows, f"{name} measured": values[2]}
        told |= {f"{name} each": (values[2] - values[0]) / (sizes[2] - sizes[0]), f"{name} start": start}
    return told


def money_table(runs: Mapping[str, Sequence[Transcript]]) -> list[str]:
    """Tokens and dollars of 1,000 transcripts, in Markdown."""
    prices = load_prices()
    lines = [
        f"Prices of {prices.as_of}. Three harms in one request, asked once or three times.",
        "",
        "| transcripts | model | asked | tokens in | cached | out | $, cache | $, none | $, batch | $, batch, none |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, own in runs.items():
        for model, repeats in product(MODELS, REPEATS):
            e = expected(own, model, repeats)
            tokens = " | ".join([f"{repeats}", *(f"{e[name]:,.0f}" for name in ("input", "cached", "output"))])
            money = " | ".join(f"{e[name]:.2f}" for name in ("with cache", "no cache", "batches", "batches, no cache"))
            lines.append(f"| {kind} | {model} | {tokens} | {money} |")
    return lines


def model_table(dollars: float, cost: Mapping[str, float], count: Mapping[str, float]) -> list[str]:
    """What follows for a million transcripts and more, in Markdown."""
    verdicts = 2 * cost["verdicts"]  # of a judge and a classifier
    rows: dict[str, list[str]] = {
        f"judge ({MODELS[1]}, shipped study, batches), $": [number(n / 1e3 * dollars) for n in SIZES],
        "judge, core hours": [number(n / 1e3 * cost["judge"] / 3600) for n in SIZES],
        "classifier (int8), core hours": [number(n / 1e3 * cost["classifier"] / 3600) for n in SIZES],
        "reading and writing, core hours": [number(n / 1e3 * (cost["read"] + cost["write"]) / 3600) for n in SIZES],
        "transcripts, GB": [number(n * cost["transcript bytes"] / 1e9) for n in SIZES],
        "store of replies, GB": [number(n * cost["store bytes"] / 1e9) for n in SIZES],
        "verdicts (Parquet), GB": [number(n * verdicts * cost["verdict bytes"] / 1e9) for n in SIZES],
        "counting verdicts, core hours": [number(n * verdicts * count["s each"] / 3600) for n in SIZES],
        "memory for rates, design of all candidates included, GB": [
            number((count["MB start"] + n * verdicts * count["MB each"]) / 1e3) for n in SIZES
        ],
    }
    head = " | ".join(f"{n:,}" for n in SIZES)
    return [f"| transcripts | {head} |", "|---" * (1 + len(SIZES)) + "|"] + [
        f"| {what} | {' | '.join(values)} |" for what, values in rows.items()
    ]


def measured(rows: int = scale.ROWS) -> Found:
    """All tables."""
    rng = np.random.default_rng(0)
    runs = {"shipped study": shipped(), "12 scenarios, shared prompts": shared_prompts(rng)}
    cost: dict[str, float] = {}
    for step in STEPS:
        with tempfile.TemporaryDirectory() as folder:
            cost |= module("capacity", "--step", step, "--folder", folder)[1]
    count = statistics(rows)
    dollars = expected(runs["shipped study"], MODELS[1])["batches"]
    names = {"read": "reading", "judge": "judge, network aside", "write": "writing", "classifier": "classifier, int8"}
    found = [
        Measured(what=f"processor time of 1,000 transcripts, {told}", value=cost[name], unit="s")
        for name, told in names.items()
    ]
    found += [
        Measured(what=f"{what} a {unit}", value=cost[name], unit="bytes")
        for name, what, unit in (
            ("store bytes", "store", "transcript"),
            ("verdict bytes", "Parquet", "verdict"),
            ("transcript bytes", "JSON lines", "transcript"),
        )
    ]
    for unit in ("s", "MB"):
        told = f"rates of {rows:,} verdicts, {'processor time' if unit == 's' else 'memory'}, against the model"
        peer, value = count[f"{unit} predicted"], count[f"{unit} measured"]
        found.append(Measured(what=told, value=value, unit=unit, against="predicted from less", peer=peer))
    text = [
        "Cost of 1,000 transcripts:",
        "",
        *money_table(runs),
        "",
        "The model:",
        "",
        *model_table(dollars, cost, count),
    ]
    return Found(rows=found, text="\n".join(text))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--rows", type=int, default=scale.ROWS)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        print(json.dumps(STEPS[options.step](options.folder)))
        return
    found = measured(options.rows)
    for row in found.rows:
        print(row)
    print(found.text)


if __name__ == "__main__":
    main()
