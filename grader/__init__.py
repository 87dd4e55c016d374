"""Transcripts in, verdicts out."""
