"""Harm rates with intervals: strata, methods, comparators. Arrays in, numbers out."""
