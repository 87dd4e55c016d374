"""Machine, data and judge looked at in one visit: what ``harmrate doctor`` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calibration.findings.diagnosis import CardFinding, Check, Diagnosis
from calibration.study.doctor.classifier import examine_classifier
from calibration.study.doctor.data import Data, examine_data
from calibration.study.doctor.environment import examine_environment
from calibration.study.doctor.judge import examine_judge, freeze_labelled
from calibration.study.inputs import Sources, load
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.judge.clients.protocol import Reply, Request
from grader.judge.llm_judge import LLMJudge
from grader.judge.setup import JudgeSetup, open_judge
from grader.judge.stress.version_drift import read_anchors, write_anchors
from grader.progress import Track, untracked
from grader.rubrics import Rubric
from grader.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorInputs:
    """What is to be looked at.

    Parameters
    ----------
    sources : Sources
        Every part may be missing.
    setup : JudgeSetup
        After whose model and server the machine is asked.
    rubrics : mapping from harm to Rubric
    store : path
        Made only when a judge is asked.
    settings : StudySettings
    classifier : path, optional
        Folder of a trained one.
    """

    sources: Sources
    setup: JudgeSetup
    rubrics: Mapping[str, Rubric]
    store: Path
    settings: StudySettings = field(default_factory=StudySettings)
    classifier: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """What the judge is asked, which costs money.

    Parameters
    ----------
    n : int
        Transcripts to probe; 0 for none.
    anchors : path, optional
        Frozen anchors to grade again.
    freeze : path, optional
        Where to freeze the labelled transcripts with what the judge says now; nothing is probed then.
    seed : int
    """

    n: int = 20
    anchors: Path | None = None
    freeze: Path | None = None
    seed: int = 0


def diagnose(
    patient: DoctorInputs,
    probing: ProbePlan | None = None,
    *,
    track: Track = untracked,
    watch: Callable[[Request, Reply], None] | None = None,
) -> Diagnosis:
    """Look at the machine, at whatever data there are, and at the judge if it is to be probed.

    Parameters
    ----------
    patient : DoctorInputs
    probing : ProbePlan, optional
        Without it no judge is asked and nothing is spent.
    track : Track
    watch : callable, optional
        Called with every new reply of the judge.

    Raises
    ------
    InputError
        A file that cannot be used; anchors to freeze without transcripts or labels.
    RunStopped
        The judge cannot go on; what was paid for is in the store.
    """
    environment = examine_environment(patient.setup, patient.store)
    data = _data(patient, track)
    classifier = () if patient.classifier is None else examine_classifier(patient.classifier)
    card = None
    if probing is not None:
        with Store(patient.store) as store:
            judge = open_judge(patient.setup, patient.rubrics, store=store, watch=watch)
            card = _card(patient, judge, probing, track)
    return Diagnosis(environment=environment, data=data, classifier=classifier, card=card)


def _data(patient: DoctorInputs, track: Track) -> tuple[Check, ...]:
    sources = patient.sources
    read = load(sources, track=track, versions="keep")
    if read.pool is None and read.verdicts is None:
        if read.labels is not None:
            raise InputError("labels alone tell little: name transcripts, or a table with --verdicts")
        return ()
    data = Data(
        pool=read.pool,
        verdicts=read.verdicts,
        labels=read.labels,
        design=read.design,
        transcripts=sources.read_transcripts() if sources.transcripts else (),
        rubrics=patient.rubrics,
    )
    return examine_data(data, patient.settings)


def _card(patient: DoctorInputs, judge: LLMJudge, probing: ProbePlan, track: Track) -> CardFinding | None:
    sources = patient.sources
    if probing.freeze is not None:
        labels = sources.read_labels()
        if labels is None or not sources.transcripts:
            raise InputError("anchors to freeze are labelled transcripts: name transcripts, and labels with --labels")
        everything = track(sources.read_transcripts(), "freezing anchors")
        write_anchors(freeze_labelled(everything, labels, judge), probing.freeze)
        return None
    transcripts = sources.read_transcripts() if sources.transcripts and probing.n else ()
    return examine_judge(
        judge,
        track(transcripts, "reading transcripts"),
        rng=np.random.default_rng(probing.seed),
        n=probing.n,
        anchors=None if probing.anchors is None else read_anchors(probing.anchors),
        cluster=patient.settings.cluster,
        confidence_level=patient.settings.confidence_level,
    )
