"""Statistics of a pool in shards: rates per harm and group, a sample for labelling, its design; pandas beside.

    python -m benchmarks.scale [--rows 10000000] [--shards 100]

Verdicts of a judge and a classifier on three harms, 50 groups, 24 scenarios, one Parquet shard after another in the
format of `harmrate grade`. Every step is a process of its own. The peer does the least that anybody could: pandas
reads the columns that it needs and takes the mean of `present` by harm, group and grader, without labels, intervals or
checks.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.children import module
from benchmarks.results import Found, Measured
from calibration.study.campaign.sample_plan import SamplePlan
from calibration.study.campaign.shard_sampling import ShardStrata
from calibration.study.counts import used_facts, weighted_pool
from calibration.study.join import join_weighted
from calibration.study.rate_findings import rate_findings
from calibration.study.settings import StudySettings
from grader.verdict.read import _arrow_schema
from grader.verdict.shards import shard_names, verdict_shards
from labels.labelset import LabelSet
from labels.sampling.designs import write_design_parts
from labels.sampling.draws import read_draws
from labels.sampling.reservoir import sample_shards

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, SHARDS = 10_000_000, 100
HARMS, GRADERS, GROUPS, SCENARIOS = ("one", "two", "three"), ("judge", "classifier"), 50, 24
LABELED = 20_000
SECONDS, MEGABYTES = 30.0, 2_000.0
SETTINGS = StudySettings(by=("arm",))


def shard(number: int, n: int, rng: np.random.Generator) -> pa.Table:
    """Verdicts on `n` transcripts; harm 5 %, a judge of sensitivity .8 that fails on 1 %."""
    import pyarrow as pa

    k = len(HARMS) * len(GRADERS)
    m, at = n * k, np.repeat(np.arange(n), k)
    texts = {
        "transcript_id": (at, [f"model-{number % 5}/scenario-{i % SCENARIOS}/{number:05d}-{i:07d}" for i in range(n)]),
        "harm": (np.tile(np.repeat(range(3), 2), n), HARMS),
        "grader": (np.tile([0, 1], 3 * n), GRADERS),
        "grader_kind": (np.tile([0, 1], 3 * n), GRADERS),
        "grader_version": (np.tile([0, 1], 3 * n), ("m-1", "c-1")),
        "arm": (at % GROUPS, [f"arm-{i:02d}" for i in range(GROUPS)]),
        "scenario": (at % SCENARIOS, [f"scenario-{i}" for i in range(SCENARIOS)]),
        "explanation": (np.zeros(m, int), ["The agent does what it was asked to; nothing of the kind is said."]),
        "evidence": (np.zeros(m, int), ["[]"]),
        "usage": (np.zeros(m, int), ['{"input_tokens": 2500, "output_tokens": 310, "evidence_verified": true}']),
    }
    columns: dict[str, Any] = {
        name: pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(list(values))).cast(pa.string())
        for name, (codes, values) in texts.items()
    }
    harmful = np.repeat(rng.random((n, len(HARMS))) < 0.05, len(GRADERS), axis=1).ravel()
    says = np.where(harmful, rng.random(m) < 0.8, rng.random(m) < 0.05)
    failed = (np.tile([0, 1], 3 * n) == 0) & (rng.random(m) < 0.01)
    columns |= {"present": pa.array(says, mask=failed), "score": pa.array(np.where(says, 0.9, 0.1), mask=failed)}
    columns |= {"outcome": pa.array(np.where(failed, "refused", "scored")), "repeat": pa.array(np.zeros(m, int))}
    columns |= {"content_hash": columns["transcript_id"], "verdict_schema": pa.array(np.ones(m, int))}
    schema = _arrow_schema()
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(m, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_shards(folder: Path, rows: int, shards: int) -> int:
    """Write the pool; how many rows it has."""
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    n = max(1, rows // (shards * len(HARMS) * len(GRADERS)))
    for number in range(shards):
        pq.write_table(shard(number, n, rng), folder / f"{number:05d}.verdicts.parquet")
    return n * shards * len(HARMS) * len(GRADERS)


def sample(folder: Path, labels: int) -> dict[str, float]:
    """Draw transcripts for labelling, then write the design over all; seconds and processor seconds of either."""
    plan = SamplePlan(n=labels, design="flagged-25")
    start, used = time.perf_counter(), time.process_time()
    with ShardStrata(plan, HARMS) as strata:
        candidates = strata.kept(verdict_shards(folder / "pool"))
        drawn = sample_shards(candidates, plan.n, design=plan.design, rng=np.random.default_rng(0))
        middle = time.perf_counter()
        write_design_parts(strata.design(drawn), folder / "design.parquet")
    end = time.perf_counter()
    return {"draw": middle - start, "design": end - middle, "used drawing": time.process_time() - used}


def rates(folder: Path, _: int) -> dict[str, float]:
    """Rates of every harm in every group from labels, design and shards; of 1,000 times the pool, from counts."""
    labels = labelled(folder / "design.parquet")
    start, used = time.perf_counter(), time.process_time()
    design = read_draws(folder / "design.parquet")
    middle = time.perf_counter()
    shards = verdict_shards(folder / "pool", used_facts(SETTINGS))
    joined = join_weighted(weighted_pool(shards, labels, SETTINGS, design=design), labels, SETTINGS)
    counted, used = time.perf_counter(), time.process_time() - used
    grader = joined.strata_by
    found = [finding for table in joined.tables for finding in rate_findings(table, grader, SETTINGS)]
    end = time.perf_counter()
    if not all(f.estimate.low <= f.estimate.high for f in found):
        raise RuntimeError("low must not exceed high.")
    table = joined.tables[0]
    many = replace(table, frequency=table.row_counts() * 1_000)
    again = time.perf_counter()
    n = sum(1 for _ in rate_findings(many, grader, SETTINGS))
    each = (time.perf_counter() - again) / n
    return {
        "read": middle - start,
        "count": counted - middle,
        "used": used,
        "estimate": end - counted,
        "rates": len(found),
        "each": each,
    }


def labelled(design: Path) -> LabelSet:
    """A label for every drawn transcript and harm."""
    import pyarrow.parquet as pq

    parts = []
    with pq.ParquetFile(design) as file:  # the file in one piece would be most of the memory
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number, columns=["transcript_id", "harm", "drawn"])
            parts.append(rows.filter(rows["drawn"]).to_pandas())
    drawn = pd.concat(parts)
    y = np.random.default_rng(1).random(len(drawn)) < 0.05
    rows_of = zip(drawn["transcript_id"], drawn["harm"], y, strict=True)
    return LabelSet.from_rows([(id_, harm, "rater", float(value)) for id_, harm, value in rows_of])


def by_pandas(folder: Path, _: int) -> dict[str, float]:
    """Seconds of reading all shards and of one mean per harm, group and grader."""
    start = time.perf_counter()
    columns = ["harm", "arm", "grader", "present"]
    pool = pd.concat([pd.read_parquet(path, columns=columns) for path in shard_names(folder / "pool")])
    means = pool.assign(present=pool["present"].astype("boolean")).groupby(["harm", "arm", "grader"])["present"].mean()
    return {"seconds": time.perf_counter() - start, "rates": len(means)}


def took(rows: int, shards: int) -> dict[str, float]:
    """What all steps took, one process each."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "pool").mkdir()
        rows = write_shards(folder / "pool", rows, shards)
        labels = min(LABELED, rows // (5 * len(HARMS) * len(GRADERS)))
        drawing, draw = module("scale", "--step", "sample", "--folder", folder, "--labels", labels)
        kept = (folder / "design.parquet").stat().st_size / (rows / len(GRADERS))
        counting, found = module("scale", "--step", "rates", "--folder", folder)
        peer, plain = module("scale", "--step", "pandas", "--folder", folder)
    told = {
        "rows": rows,
        "labels": labels,
        "design bytes": kept,
        "MB": counting.megabytes,
        "processor": counting.processor,
    }
    beside = {"MB drawing": drawing.megabytes, "pandas": plain["seconds"], "MB pandas": peer.megabytes}
    return {**told, **beside, **draw, **found, "seconds": found["read"] + found["count"] + found["estimate"]}


def measured(rows: int = ROWS, shards: int = SHARDS) -> Found:
    """All steps, beside pandas."""
    t = took(rows, shards)
    size, made = f"{t['rows']:,} verdicts", f"{len(HARMS)} harms x {GROUPS} groups"
    versus = "pandas, means without labels"
    return Found(
        rows=[
            Measured(what=f"{size} and their design to rates of {made}", value=t["seconds"], unit="s", limit=SECONDS),
            Measured(what=f"the same, {size}", value=t["seconds"], unit="s", against=versus, peer=t["pandas"]),
            Measured(what=f"peak memory, {size}", value=t["MB"], unit="MB", limit=MEGABYTES),
            Measured(what=f"the same memory, {size}", value=t["MB"], unit="MB", against=versus, peer=t["MB pandas"]),
            Measured(what=f"counting alone, {size}", value=t["count"], unit="s"),
            Measured(what=f"processor time of reading and counting, {size}", value=t["used"], unit="s"),
            Measured(
                what=f"processor time of drawing and writing the design, {size}", value=t["used drawing"], unit="s"
            ),
            Measured(what="one rate from counts, pool 1,000 times as large", value=1_000 * t["each"], unit="ms"),
            Measured(what=f"draw {t['labels']:,} transcripts, one pass of {size}", value=t["draw"], unit="s"),
            Measured(what=f"their design over all candidates, {size}", value=t["design"], unit="s"),
            Measured(what=f"peak memory of both, {size}", value=t["MB drawing"], unit="MB"),
            Measured(what="design per candidate and harm", value=t["design bytes"], unit="bytes", better="neither"),
        ]
    )


STEPS = {"sample": sample, "rates": rates, "pandas": by_pandas}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--shards", type=int, default=SHARDS)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--labels", type=int, default=LABELED, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        print(json.dumps(STEPS[options.step](options.folder, options.labels)))
        return
    for row in measured(options.rows, options.shards).rows:
        print(row)


if __name__ == "__main__":
    main()
