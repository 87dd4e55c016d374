"""Which way the imports run, how light they are, whether public names exist, and who may spell a harm's name."""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ("grader", "labels", "calibration")
PACKAGES = (*LIBRARY, "harmrate")

# What a part may import of ours: cli -> commands -> study -> labels -> grader; commands -> report -> findings.
ALLOWED = {
    "cli": {"commands"},
    "commands": {"study", "report", "findings", "calibration", "labels", "grader", "files"},
    "study": {"findings", "calibration", "labels", "grader", "files"},
    # The front of `calibration.report` hands records of findings to files; it computes nothing.
    "report": {"findings", "calibration", "files"},
    "findings": {"calibration"},
    "calibration": set(),
    "labels": {"grader", "files"},
    "grader": {"files"},
    # A leaf that every part may use; it knows only what a bad file is called.
    "files": {"errors"},
    "errors": set(),
    # What harnesses look up by the name `harmrate`: a front like commands, of thin plug-ins.
    "harmrate": {"study", "report", "findings", "calibration", "labels", "grader", "files"},
}
for _part in ("commands", "study", "labels", "grader", "harmrate"):
    ALLOWED[_part] |= {"errors"}
# Folders that are parts of their own.
_PARTS = {
    "calibration": ("study", "report", "findings"),
    "grader": ("files", "errors"),
    "harmrate": ("commands",),
}
# The front of `calibration` hands on what its two special packages offer.
FRONT = ("calibration", {"study", "report"})

# Slow to import, or an extra that need not be installed.
HEAVY = frozenset(
    "torch sentence_transformers anthropic label_studio_sdk transformers onnxruntime xllamacpp ray fsspec".split()
)

# Modules that may spell a harm's name outside docstrings, each with its reason. None has to.
MAY_SPELL: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, as written: `from a import b` is `a.b`."""

    name: str
    line: int
    place: Literal["module", "function", "typing"]


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    path: str
    tree: ast.Module
    imports: tuple[Import, ...]


Modules = dict[str, Module]


@functools.cache
def product() -> Modules:
    """Every module of ours, by its dotted name."""
    paths = [*ROOT.glob("*.py"), *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]
    modules = (module_of(path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in paths)
    return {module.name: module for module in modules}


def module_of(place: Path, text: str) -> Module:
    """The module whose source at `place` is `text`."""
    parts = place.with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    tree = ast.parse(text)
    package = name if is_package else name.rpartition(".")[0]
    return Module(name, place.as_posix(), tree, tuple(_imports(tree, package, "module")))


def _imports(node: ast.AST, package: str, place: Literal["module", "function", "typing"]) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            yield from (Import(alias.name, node.lineno, place) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            yield from (Import(f"{base}.{alias.name}", node.lineno, place) for alias in names)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if place == "module":
            place = "function"
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            for child in node.body:
                yield from _imports(child, package, "typing")
            for child in node.orelse:
                yield from _imports(child, package, place)
            return
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, package, place)


def target(name: str, modules: dict[str, Module]) -> str | None:
    """The module of ours that an import of `name` loads: `a.b` for the function `a.b.c`; None for a foreign one."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def part(module: str) -> str:
    """The part of the house that a module belongs to."""
    first, _, rest = module.partition(".")
    inner = rest.partition(".")[0]
    return inner if inner in _PARTS.get(first, ()) else first


def forbidden_arrows(modules: Modules) -> list[str]:
    """Imports against the arrows, wherever they stand (in functions and under TYPE_CHECKING too)."""
    wrong = []
    for module in modules.values():
        allowed = ALLOWED[part(module.name)] | {part(module.name)} | (FRONT[1] if module.name == FRONT[0] else set())
        for found in module.imports:
            loaded = target(found.name, modules)
            if loaded is not None and part(loaded) not in allowed:
                wrong.append(f"{module.path}:{found.line} imports {loaded}, which {part(module.name)} must not know")
    return wrong


def import_cycles(modules: Modules) -> list[str]:
    """A cycle of imports at module level, if there is one, as one line of files.

    An edge is what a statement names. That `import a.b` runs `a/__init__.py` first is no edge: else every package
    that hands on the names of its modules would be a cycle. A module that imports from the front of its own package
    is one, since there the statement names it.
    """
    graph = {
        name: {loaded for i in module.imports if i.place != "function" and (loaded := target(i.name, modules))}
        for name, module in modules.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [" -> ".join(modules[name].path for name in reversed(error.args[1]))]
    return []


def heavy_imports(modules: Modules) -> list[str]:
    """Heavy packages imported when one of our modules is."""
    return [
        f"{module.path}:{found.line} imports {found.name}"
        for module in modules.values()
        for found in module.imports
        if found.place == "module" and found.name.partition(".")[0] in HEAVY
    ]


def spelled_harms(modules: Modules) -> list[str]:
    """String literals, docstrings apart, that hold the name of a harm of `grader/rubrics`."""
    names = sorted(path.stem for path in (ROOT / "grader" / "rubrics").glob("*.md"))
    harm = re.compile(r"(?<![a-z])(" + "|".join(names) + r")(?![a-z])", re.IGNORECASE)
    return [
        f"{module.path}:{node.lineno} spells {found.group()!r}"
        for module in modules.values()
        if module.name not in MAY_SPELL
        for node in _literals(module.tree)
        if (found := harm.search(node.value))
    ]


def _literals(tree: ast.Module) -> Iterator[ast.Constant]:
    """String constants that are not a statement of their own (as docstrings are)."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node


@pytest.mark.parametrize("check", [forbidden_arrows, import_cycles, heavy_imports, spelled_harms])
def test_the_house_keeps_its_rules(check) -> None:
    assert check(product()) == []


@pytest.mark.parametrize(
    ("check", "file", "line", "named"),
    [
        (forbidden_arrows, "labels/labelset.py", "import calibration", "labels/labelset.py"),
        (
            forbidden_arrows,
            "labels/labelset.py",
            "def f():\n    from calibration.rates.estimate import x",
            "labels/labelset.py",
        ),
        (
            forbidden_arrows,
            "grader/errors.py",
            "if TYPE_CHECKING:\n    import labels.sampling.designs",
            "grader/errors.py",
        ),
        (
            forbidden_arrows,
            "calibration/rates/estimate.py",
            "from grader.verdict.records import Verdict",
            "calibration/rates/estimate.py",
        ),
        (
            forbidden_arrows,
            "calibration/rates/estimate.py",
            "from ..study import run_study",
            "calibration/rates/estimate.py",
        ),
        (forbidden_arrows, "calibration/__init__.py", "from labels import LabelSet", "calibration/__init__.py"),
        (forbidden_arrows, "calibration/report/plain.py", "from ..study import x", "calibration/report/plain.py"),
        (import_cycles, "grader/errors.py", "from grader.verdict.read import read_verdicts", "grader/errors.py"),
        (import_cycles, "grader/errors.py", "from . import read_verdicts", "grader/__init__.py"),
        (heavy_imports, "grader/errors.py", "try:\n    import torch.nn\nexcept ImportError: pass", "grader/errors.py"),
        (spelled_harms, "grader/errors.py", "X = f'{1} is Blackmail'", "grader/errors.py"),
        (spelled_harms, "cli.py", "X = {'leaking': 1}", "cli.py"),
    ],
)
def test_a_broken_rule_is_reported_with_its_file(check, file: str, line: str, named: str) -> None:
    broken = module_of(Path(file), (ROOT / file).read_text(encoding="utf-8") + f"\n{line}\n")
    (message,) = check(product() | {broken.name: broken})
    assert named in message


@pytest.mark.parametrize("line", ['"""On leaking."""', "# a deception", "def f():\n    'blackmail'", "x = 'unleaking'"])
def test_docstrings_comments_and_longer_words_spell_no_harm(line: str) -> None:
    module = module_of(Path("grader/a.py"), line)
    assert spelled_harms({module.name: module}) == []


def test_the_graph_is_not_empty() -> None:
    """Else every check above would pass."""
    modules = product()
    loaded = {target(i.name, modules) for i in modules["grader.readers.read"].imports}
    assert {"grader.errors", "grader.readers.detect", "grader.transcript"} <= loaded
    assert {part(name) for name in modules} == set(ALLOWED)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_without_the_heavy_ones(package: str) -> None:
    code = f"import sys, {package}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert package in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("name", sorted(m.name for m in product().values() if m.path.endswith("__init__.py")))
def test_public_names_exist(name: str) -> None:
    package = importlib.import_module(name)
    public = getattr(package, "__all__", [])
    assert [attribute for attribute in public if not hasattr(package, attribute)] == []
    assert len(set(public)) == len(public)
    assert public or name not in LIBRARY


def test_help_comes_without_the_library() -> None:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import cli; cli.main()", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-500:]
    assert "Usage" in run.stdout
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in imported
    assert imported.isdisjoint({"pandas", "numpy", "scipy", *HEAVY})
