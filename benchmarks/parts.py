"""Every part of the benchmarks: how it is run at each size, how long it takes, whether the machine must be quiet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.children import Skipped
from benchmarks.results import Found, Measured, peaks_by_size

# As promised; ten minutes at most; a look at it.
Size = Literal["full", "short", "quick"]
DATA = Path(os.environ.get("HARMRATE_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part.

    Parameters
    ----------
    title : str
    run : callable from Size and number of processes to Found
        Raises `Skipped` where something that it needs is not here.
    minutes : float
        At full size on two cores.
    quiet : bool
        It times what other work on the machine slows: run by ``python -m benchmarks quiet``.
    short : bool
        Whether size ``short`` is another than ``full``.
    """

    title: str
    run: Callable[[Size, int], Found]
    minutes: float
    quiet: bool = False
    short: bool = False


def of(size: Size, full: Any, short: Any, quick: Any) -> Any:
    """What a size stands for."""
    return {"full": full, "short": short, "quick": quick}[size]


def _alpha(size: Size, _: int) -> Found:
    from benchmarks import alpha

    return alpha.measured(timed=of(size, 20, 20, 4))


def _rates(size: Size, _: int) -> Found:
    from benchmarks import rates

    return rates.measured(transcripts=of(size, rates.TRANSCRIPTS, rates.TRANSCRIPTS, 100_000))


def _scale(size: Size, _: int) -> Found:
    from benchmarks import scale

    return scale.measured(*of(size, (scale.ROWS, scale.SHARDS), (scale.ROWS, scale.SHARDS), (120_000, 4)))


def _readers(size: Size, _: int) -> Found:
    from benchmarks import readers

    return readers.measured(of(size, readers.TRANSCRIPTS, 100_000, 5_000))


def _startup(size: Size, _: int) -> Found:
    from benchmarks import startup

    return startup.measured(of(size, startup.ROUNDS, startup.ROUNDS, 1))


def _judge(size: Size, _: int) -> Found:
    from benchmarks import judge
    from benchmarks.startup import harness_folder

    theirs = harness_folder()
    python = os.environ.get("SCOUT_PYTHON") or (str(theirs / "python") if theirs else None)
    sizes = of(size, (1_000, 5_000, 20_000, 100_000), (1_000, 5_000, 20_000), (200,))
    if size == "quick":
        return judge.measured(200, 1, sizes=sizes)
    return judge.measured(1_000, 2, python=python, sizes=sizes)


def _reading(size: Size, _: int) -> Found:
    from benchmarks import reading
    from benchmarks.startup import inspect_python

    sizes = of(size, [(200, 20), (20, 5), (2_000, 5)], [(200, 20), (20, 5)], [(20, 5)])
    return reading.measured(str(inspect_python()), sizes)


def _report(size: Size, _: int) -> Found:
    from benchmarks import report

    return report.measured(of(size, 2_000, 2_000, 100))


def _service(size: Size, _: int) -> Found:
    from benchmarks import classifier_speed, service
    from grader.classifier import EmbeddingClassifier

    with tempfile.TemporaryDirectory() as folder:
        corpus, rng = classifier_speed.CORPORA[0], np.random.default_rng(0)
        seen, y = classifier_speed.drawn(corpus, 120, rng)
        artifact = Path(folder) / "artifact"
        trained = EmbeddingClassifier(classifier_speed.MODEL, device="cpu").fit(seen, {"leaking": y})
        classifier_speed.let_grade(trained).save(artifact)
        return service.measured(artifact, requests=of(size, 1_000, 1_000, 40))


def _quotes(_size: Size, _: int) -> Found:
    from benchmarks import quotes

    return quotes.measured(_data("bloom_strategic_deception"))


def _injection(size: Size, _: int) -> Found:
    from benchmarks import injection

    return injection.measured(_data("deception_lie_detector") / "items.jsonl", n=of(size, 100, 100, 5))


def _classifier(size: Size, _: int) -> Found:
    from benchmarks import classifier

    return Found(text=classifier.report(_data(""), of(_unhurried(size), list(classifier.SETS), ["rjudge"], [])))


def _classifier_speed(size: Size, _: int) -> Found:
    from benchmarks import classifier_speed

    plain, share = classifier_speed.plain_way(), of(size, 1.0, 1.0, 0.02)
    limits = dict(zip(classifier_speed.CORPORA, (2.2, 8.0), strict=True))
    corpora = classifier_speed.CORPORA[: of(size, 2, 2, 1)]
    found = [classifier_speed.measure(corpus, plain, share=share) for corpus in corpora]
    return Found(
        rows=[
            Measured(
                what=f"whole-corpus scoring, int8, {s.n_ours:,} transcripts, {s.corpus.name}",
                value=s.ours,
                unit="a second",
                better="more",
                against=f"windows, SentenceTransformer.encode, scikit-learn ({s.n_plain} of them)",
                peer=s.plain,
                limit=limits[s.corpus],
            )
            for s in found
        ]
    )


def _classifier_areas(size: Size, _: int) -> Found:
    from benchmarks import classifier_speed
    from benchmarks.classifier import SETS

    names = of(_unhurried(size), ("rjudge", "lie-detector"), ("rjudge",), ())
    plain, rows = classifier_speed.plain_way(), []
    for own in (SETS[name](_data("")) for name in names):
        areas = classifier_speed.areas(own, plain)
        told = f"AUROC by scenario, {own.name}, {len(own.y)} transcripts"
        # What int8 costs, all else equal; and that what ships is no worse than the plain way. Between these two lie our
        # segments and heads, which are not meant to score alike.
        lost = {
            "int8 away from float32, same head": abs(areas["same head, int8"] - areas["same head, float32"]),
            "shipped, int8, below the plain way": max(0.0, areas["plain"] - areas["shipped, int8"]),
        }
        rows += [Measured(what=f"{told}, {k}", value=v, unit="", limit=0.005) for k, v in lost.items()]
        rows += [Measured(what=f"{told}, {k}", value=v, unit="", better="neither") for k, v in areas.items()]
    return Found(rows=rows)


def _classifier_memory(size: Size, _: int) -> Found:
    from benchmarks import classifier_memory

    found = list(classifier_memory.peaks(of(_unhurried(size), classifier_memory.SIZES, (1_000, 10_000), ())))
    megabytes = {peak.n: peak.mebibytes * 2**20 / 1e6 for peak in found}
    return Found(rows=peaks_by_size("harmrate grade --classifier", megabytes))


def _classifier_gpu(_size: Size, _: int) -> Found:
    import torch

    if not torch.cuda.is_available():
        raise Skipped("no CUDA device")
    from benchmarks import classifier_gpu

    return Found(text=classifier_gpu.report(device="cuda"))


def _ray(size: Size, _: int) -> Found:
    if find_spec("benchmarks.ray") is None:
        raise Skipped("no benchmark of Ray")
    import importlib

    found: Found = importlib.import_module("benchmarks.ray").measured(size)
    return found


def _coverage(size: Size, workers: int) -> Found:
    from benchmarks import coverage
    from benchmarks.cells import BLOCKS
    from benchmarks.methods import METHODS
    from benchmarks.peers import installed_peers
    from benchmarks.tally import Row

    there, absent = installed_peers()
    plan = coverage.Plan(methods=tuple(METHODS), seed=coverage.SEED)
    plan = replace(plan, **of(size, {}, {"data_sets": 200, "again": 0}, {"data_sets": 4, "again": 0}))
    rows: list[Row] = []
    for name, block in BLOCKS.items():
        if size == "quick" and name != "regimes":
            continue
        cells = block()
        # Peers work on rows and take their time: the regimes are enough to see what they do.
        here = replace(plan, methods=(*METHODS, *there)) if name == "regimes" and size != "quick" else plan
        rows += coverage.with_progress(coverage.run_cells(cells, here, workers), len(cells))
    told = f"{plan.data_sets} data sets a cell, again {plan.again} where one falls short, seed {plan.seed}; "
    told += f"peers in the regimes only, not installed: {', '.join(absent) or 'none'}.\n"
    return Found(text=f"{told}{coverage.report(rows)}")


def _designs(size: Size, workers: int) -> Found:
    from benchmarks import designs

    data_sets = of(size, 1_000, 300, 3)
    rates = designs.RATES if size != "quick" else designs.RATES[:1]
    return Found(text=designs.report(list(designs.rows(rates, data_sets=data_sets, workers=workers))))


def _efficiency(size: Size, _: int) -> Found:
    from benchmarks import efficiency

    found = efficiency.rows(of(size, efficiency.RATES, efficiency.RATES[-2:], efficiency.RATES[-1:]))
    return Found(text=efficiency.report(list(islice(found, of(size, None, None, 1)))))


def _campaigns(size: Size, _: int) -> Found:
    from benchmarks import campaigns

    return Found(text=f"```text\n{campaigns.report(of(size, 400, 100, 2))}\n```")


def _capacity(size: Size, _: int) -> Found:
    from benchmarks import capacity, scale

    return capacity.measured(of(_unhurried(size), scale.ROWS, scale.ROWS // 10, 0))


def _unhurried(size: Size) -> Size:
    if size == "quick":
        raise Skipped("no size of it is quick")
    return size


def _data(name: str) -> Path:
    if not (DATA / name).exists():
        raise Skipped(f"no {DATA / name}: name a folder of data sets with HARMRATE_DATA")
    return DATA / name


PARTS: Mapping[str, Part] = {
    "scale": Part(title="Statistics at scale", run=_scale, minutes=2, quiet=True),
    "rates": Part(title="Rates from rows", run=_rates, minutes=0.3, quiet=True),
    "alpha": Part(title="Alpha", run=_alpha, minutes=0.3, quiet=True),
    "readers": Part(title="Readers", run=_readers, minutes=6, short=True),
    "reading": Part(title="Inspect's logs", run=_reading, minutes=2, short=True),
    "startup": Part(title="Start-up", run=_startup, minutes=1, quiet=True),
    "judge": Part(title="The judge's pipeline", run=_judge, minutes=6, quiet=True, short=True),
    "service": Part(title="The scoring service", run=_service, minutes=2, quiet=True),
    "report": Part(title="The report's page", run=_report, minutes=1),
    "classifier_speed": Part(title="Whole-corpus scoring", run=_classifier_speed, minutes=5, quiet=True),
    "classifier_areas": Part(title="AUROC of int8", run=_classifier_areas, minutes=6, short=True),
    "ray": Part(title="Ray", run=_ray, minutes=3, quiet=True),
    "classifier_memory": Part(title="Memory of scoring", run=_classifier_memory, minutes=12, short=True),
    "classifier_gpu": Part(title="Embedding on a GPU", run=_classifier_gpu, minutes=2),
    "quotes": Part(title="Quotes", run=_quotes, minutes=0.2),
    "injection": Part(title="Injection", run=_injection, minutes=1),
    "capacity": Part(title="Capacity", run=_capacity, minutes=4),
    "classifier": Part(title="Heads of the classifier", run=_classifier, minutes=25, short=True),
    "campaigns": Part(title="Whole campaigns", run=_campaigns, minutes=8, short=True),
    "efficiency": Part(title="Labels needed", run=_efficiency, minutes=3, short=True),
    "designs": Part(title="Sampling designs", run=_designs, minutes=20, short=True),
    "coverage": Part(title="Coverage and width", run=_coverage, minutes=28, short=True),
}
