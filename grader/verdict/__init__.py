"""Verdicts: records, tables, files, and verdicts of other tools."""
