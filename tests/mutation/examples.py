"""The examples in docstrings of ``calibration/*.py`` as tests against mutants, which have no docstrings of their own.

HARMRATE_EXAMPLES names the folder of the sources as they were written.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import os
from pathlib import Path

import pytest

SOURCES = Path(os.environ.get("HARMRATE_EXAMPLES", Path(__file__).resolve().parents[2] / "calibration"))
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def examples() -> dict[str, tuple[str, str]]:
    """Module and docstring by file, name and line."""
    found = {}
    for path in sorted(SOURCES.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
            if text and ">>>" in text:
                name = f"{path.stem}-{getattr(node, 'name', '')}-{getattr(node, 'lineno', 0)}"
                found[name] = (f"calibration.{path.stem}", text)
    return found


@pytest.mark.parametrize(("module", "text"), [pytest.param(*found, id=name) for name, found in examples().items()])
def test_an_example_prints_what_it_says(module: str, text: str) -> None:
    names = dict(vars(importlib.import_module(module)))
    case = doctest.DocTestParser().get_doctest(text, names, module, module, 0)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    assert runner.run(case, out=lambda _: None).failed == 0
