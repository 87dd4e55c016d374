"""Transcripts in many files: what is to be done, where it runs (this machine or a Ray cluster), what was done."""
