"""The shape of the house: how many files and lines, how long, and which modules a command passes.

    python -m benchmarks.shape

Product files are those of the packages and the entry point; tests, benchmarks, docs and examples are not counted. A
function's length is its body's lines without the docstring. Modules that a label export passes through `agreement`
are found by a static walk: the imports of each module, also those inside functions, from where the command is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.sparse.csgraph import connected_components

from benchmarks.children import ROOT

PACKAGES = ("grader", "labels", "calibration", "harmrate")
ENTRY = "cli"
# Where the path of a label export through `harmrate agreement` begins.
AGREEMENT = ("calibration.study.compute", "calibration.report.console")


@dataclass(frozen=True)
class House:
    """The modules of the product.

    Parameters
    ----------
    root : path
    """

    root: Path

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """Each module's file."""
        paths = [path for name in PACKAGES for path in sorted((self.root / name).rglob("*.py"))]
        return {_name(path.relative_to(self.root)): path for path in [*paths, self.root / f"{ENTRY}.py"]}

    @cached_property
    def trees(self) -> Mapping[str, ast.Module]:
        """Each module as Python reads it."""
        return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.files.items()}

    @cached_property
    def lengths(self) -> list[int]:
        """Lines of each file."""
        return [len(path.read_text(encoding="utf-8").splitlines()) for path in self.files.values()]

    @cached_property
    def functions(self) -> list[int]:
        """Lines of each function's body."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [_body(node) for tree in self.trees.values() for node in ast.walk(tree) if isinstance(node, kinds)]

    @cached_property
    def imports(self) -> Mapping[str, set[str]]:
        """The modules of ours that each module imports, also inside functions, but not for types alone."""
        return {name: self._imported(name, _nodes(tree)) for name, tree in self.trees.items()}

    @cached_property
    def loads(self) -> Mapping[str, set[str]]:
        """The modules of ours that are loaded together with each module."""
        return {name: self._imported(name, _nodes(tree, deferred=False)) for name, tree in self.trees.items()}

    def _imported(self, name: str, nodes: Iterable[ast.AST]) -> set[str]:
        found: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names if alias.name in self.files}
            elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
                submodules = {f"{node.module}.{alias.name}" for alias in node.names} & set(self.files)
                found |= submodules or ({node.module} & set(self.files))
        return found - {name}

    def reached(self, starts: Iterable[str]) -> set[str]:
        """The modules that these import, and theirs."""
        seen, waiting = set[str](), [name for name in starts if name in self.files]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += self.imports[name]
        return seen

    def cycles(self) -> list[list[str]]:
        """Groups of modules that import one another when they are loaded."""
        names = list(self.files)
        graph = np.array([[other in self.loads[name] for other in names] for name in names])
        n, group = connected_components(graph, directed=True, connection="strong")
        groups = ([name for name, at in zip(names, group, strict=True) if at == k] for k in range(n))
        return [members for members in groups if len(members) > 1]

    def with_one_importer(self) -> list[str]:
        """Modules that exactly one other module imports; packages are not counted."""
        importers = {name: sum(name in others for others in self.imports.values()) for name in self.files}
        return [name for name, n in importers.items() if n == 1 and self.files[name].name != "__init__.py"]


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    has_words = ast.get_docstring(node) is not None
    first = node.body[1] if has_words and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or first.lineno) - first.lineno + 1


def _nodes(tree: ast.AST, *, deferred: bool = True) -> Iterable[ast.AST]:
    """The nodes below a tree, without imports for types, and unless `deferred` without the bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not deferred and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        yield from _nodes(node, deferred=deferred)


def _spread(name: str, values: Sequence[int]) -> str:
    return f"{name}: median {np.median(values):.0f}, p90 {np.quantile(values, 0.9):.0f}, max {max(values)}"


def main() -> None:
    """Print the shape."""
    house = House(ROOT)
    single, path = house.with_one_importer(), house.reached(AGREEMENT)
    rooms = {name.rpartition(".")[0] for name in path}
    cycles = house.cycles()
    print(f"product files: {len(house.files)}")
    print(f"product lines: {sum(house.lengths):,}")
    print(_spread("lines of a file", house.lengths))
    print(_spread("lines of a function", house.functions))
    print(f"import cycles: {len(cycles)}", *(", ".join(group) for group in cycles), sep="\n  ")
    print(f"modules with exactly one importer: {len(single)}")
    print(f"modules that agreement passes: {len(path)} in {len(rooms)} rooms")


if __name__ == "__main__":
    main()
