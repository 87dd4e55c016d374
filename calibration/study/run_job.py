"""The main job: grade transcripts, train the classifier, compare with humans, calibrate, report."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from calibration.findings.study import Report
from calibration.study.browser_items import TRANSCRIPTS, chosen_ids, keep_transcripts
from calibration.study.compute import study_data
from calibration.study.design import Design
from calibration.study.facts import check_keys
from calibration.study.folder import (
    CLASSIFIER,
    DESIGN,
    LABELS,
    POOL,
    VERDICTS,
    complete,
    pool_hash,
    with_card,
    write_pool,
)
from calibration.study.inputs import Sources, load
from calibration.study.provenance import provenance
from calibration.study.settings import StudySettings
from calibration.study.start.registration import Registered, decisions, register
from grader.classifier import EmbeddingClassifier
from grader.errors import InputError
from grader.failure_budget import FailureBudget
from grader.files.lock import writing
from grader.graders import GraderSetup
from grader.grading import iter_rows
from grader.judge.clients.protocol import Reply, Request
from grader.progress import GRADING, Track, track_task, untracked
from grader.store.store import Store
from grader.verdict.read import VerdictWriter, read_verdicts
from grader.verdict.records import Grader
from labels.labelset import LabelSet
from labels.sampling.designs import write_design
from labels.train import train_on_labels, trainable_harms, untrainable

Training = Literal["when-possible", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graders:
    """Which graders take part.

    Parameters
    ----------
    setup : GraderSetup
        Its judge is None where verdicts were imported.
    training : {"when-possible", "never"}
        Whether to train a classifier on the labels, where at least 20 transcripts of a harm are harmful and 20
        harmless; never when `setup` names a trained one.
    """

    setup: GraderSetup
    training: Training = "when-possible"


def run(
    sources: Sources,
    graders: Graders,
    out: Path,
    settings: StudySettings,
    *,
    store: Store,
    seed: int = 0,
    command: Sequence[str] = (),
    study_file: Path | None = None,
    track: Track = untracked,
    watch: Callable[[Request, Reply], None] | None = None,
) -> Report:
    """Do the whole job; verdicts, labels, design and pool are left in `out` for `study_again`.

    Parameters
    ----------
    sources : Sources, with transcripts
    graders : Graders
    out : path
        Made when everything that can be refused has been read.
    settings : StudySettings
    store : Store
        Keeps replies and embeddings, so that a second run pays for nothing.
    seed : int
    command : the command line, for the report
    study_file : path, optional
        Whose options are followed; the decisions go into the history beside it, and what that says into the report.
    track : Track
    watch : callable, optional
        Called with every new reply of the judge.

    Raises
    ------
    InputError
        Anything wrong with the input, before a request is sent.
    RunStopped
        The judge cannot go on; what was paid for is in the store.
    """
    if "-" in sources.transcripts:
        raise InputError("run reads transcripts more than once: save standard input to a file first")
    read = load(sources, track=track)
    pool, labels, design = read.pool, read.labels, read.design
    if pool is None or not sources.transcripts:
        raise InputError("no transcripts: name files or folders")
    imported = None if read.verdicts is None else complete(read.verdicts, pool)
    if imported is None:  # verdicts may bring facts that the transcripts lack
        check_keys(pool, settings)
    opened = graders.setup.open(store=store, harms=None if labels is None else labels.harms, watch=watch)
    trained = _trained(sources, graders, labels, store, track)
    working = opened if trained is None else [*opened, trained]
    classifier = next((g for g in working if isinstance(g, EmbeddingClassifier)), None)
    with writing(out):
        judge = graders.setup.judge
        budget = FailureBudget(
            1.0 if judge is None else judge.max_failed,
            not_counted=frozenset() if trained is None else frozenset({trained.name}),
        )
        _write_verdicts(out / VERDICTS, imported, sources, working, budget, track=track, n_transcripts=len(pool))
        verdicts = read_verdicts(out / VERDICTS)
        keep_transcripts(sources.read_transcripts(), chosen_ids(verdicts, labels), out / TRANSCRIPTS)
        _keep(out, pool, labels, design)
        if trained is not None:
            trained.save(out / CLASSIFIER)
        told = provenance(
            settings,
            seed=seed,
            command=command,
            inputs={"transcripts": pool_hash(pool), **read.hashes},
            design=design if isinstance(design, str) else None,
            rubrics={harm: rubric.hash for harm, rubric in graders.setup.rubrics.items()},
        )
        if remarks := [*_untrained(graders, labels, trained), *_differences(classifier)]:
            told["remarks"] = remarks
        if sources.force:
            told["forced"] = True
        if study_file is not None:
            n_labels = 0 if labels is None else len(labels.votes())
            entry = Registered.now(decisions(settings, seed=seed), n_labels)
            told["decisions"] = register(study_file.parent, entry)
        graded = Sources(verdicts=verdicts, labels=labels, pool=pool, design=design, force=sources.force)
        report = study_data(load(graded, settings), rng=np.random.default_rng(seed), provenance=told)
        return with_card(report, out)


def _differences(classifier: EmbeddingClassifier | None) -> Iterator[str]:
    """What changed since a loaded classifier was trained."""
    if classifier is not None and classifier.differences_:
        yield f"The {classifier.name}: {'; '.join(classifier.differences_)}."


def _untrained(graders: Graders, labels: LabelSet | None, trained: EmbeddingClassifier | None) -> Iterator[str]:
    """Why no classifier was trained, harm by harm, unless one was given or none was wanted."""
    if graders.setup.classifier is not None or graders.training == "never" or labels is None:
        return
    for harm, reason in untrainable(labels).items():
        if trained is None or harm not in trained.harms_:
            yield f"No classifier was trained for {harm}: {reason}."


def _keep(out: Path, pool: pd.DataFrame, labels: LabelSet | None, design: Design) -> None:
    """What `study_again` reads beside the verdicts."""
    if labels is not None:
        labels.write(out / LABELS)
    if isinstance(design, pd.DataFrame):
        write_design(design, out / DESIGN)
    write_pool(pool, out / POOL)


def _trained(
    sources: Sources, graders: Graders, labels: LabelSet | None, store: Store, track: Track
) -> EmbeddingClassifier | None:
    """A classifier trained on the labels; None where there are too few, or one was given."""
    if graders.setup.classifier is not None or graders.training == "never":
        return None
    if labels is None or not trainable_harms(labels):
        return None
    untrained = EmbeddingClassifier(store=store)
    return track_task(
        track, "training the classifier", lambda: train_on_labels(untrained, sources.read_transcripts(), labels)
    )


def _write_verdicts(
    path: Path,
    imported: pd.DataFrame | None,
    sources: Sources,
    graders: Sequence[Grader],
    budget: FailureBudget,
    *,
    track: Track,
    n_transcripts: int,
) -> None:
    def rows() -> Generator[Mapping[str, Any]]:
        if imported is not None:
            columns = [str(c) for c in imported.columns]
            yield from (dict(zip(columns, row, strict=True)) for row in imported.itertuples(index=False, name=None))
        if graders:
            yield from budget.watch(iter_rows(sources.read_transcripts(), graders))

    with closing(rows()) as every, VerdictWriter(path) as writer:
        for row in track(every, GRADING, n_transcripts):
            writer.write(row)
