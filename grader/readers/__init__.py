"""Transcripts from the logs of any harness: one file per format."""

from grader.readers.read import READERS, read_transcripts

__all__ = ["READERS", "read_transcripts"]
