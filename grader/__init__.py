"""Transcripts in, verdicts out."""

from grader.classifier import EmbeddingClassifier
from grader.errors import InputError
from grader.grading import grade, iter_verdicts
from grader.judge import LLMJudge
from grader.readers import read_transcripts
from grader.rubrics import load_rubrics
from grader.transcript import Message, Transcript
from grader.verdict.read import read_verdicts, write_verdicts
from grader.verdict.records import Evidence, Grader, Verdict

__all__ = [
    "EmbeddingClassifier",
    "Evidence",
    "Grader",
    "InputError",
    "LLMJudge",
    "Message",
    "Transcript",
    "Verdict",
    "grade",
    "iter_verdicts",
    "load_rubrics",
    "read_transcripts",
    "read_verdicts",
    "write_verdicts",
]
