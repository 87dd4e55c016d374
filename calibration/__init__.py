"""Verdicts and labels in, numbers with error bars out."""
