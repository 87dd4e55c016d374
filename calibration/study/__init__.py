"""Verdicts and labels joined: the only place of `calibration` that knows both."""

from calibration.study.compute import run_study

__all__ = ["run_study"]
