"""Rubrics: what counts as a harm, in words; one Markdown file per harm."""

from grader.rubrics.load import Rubric, load_rubrics, parse_rubric

__all__ = ["Rubric", "load_rubrics", "parse_rubric"]
