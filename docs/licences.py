"""Lists the licences of all that installs with harmrate: ``python docs/licences.py > docs/licences.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("offline", "onnx", "serve", "local")
# Licences under which anything may come along: all let others use, change and pass on; MPL asks only for its own files.
ALLOWED = frozenset(
    "0BSD Apache-2.0 Apache-2.0-WITH-LLVM-exception BSD BSD-2-Clause BSD-3-Clause BSL-1.0 CNRI-Python ISC MIT MIT-CMU "
    "MPL-2.0 PSF-2.0 TCL Zlib".split()
)
# Reciprocal licences, package by package, each used as a dependency only: none of its code is copied.
EXCEPTIONS = {"krippendorff": "GPL-3.0-or-later"}
# Packages whose metadata is silent; what their own licence file says.
SILENT = {"label-studio-sdk": "Apache-2.0", "skops": "MIT"}
_NAMES = {
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_HEAD = """\
# Licences of what comes along

harmrate itself is under Apache-2.0. Written by `make licences` from the metadata of the packages that
`harmrate[{extras}]` installs; `tests/test_supply_chain.py` holds the list to the policy.

Allowed are {allowed}.
{exceptions}, used as a dependency: none of its code is copied.

| package | licence |
| --- | --- |
"""


def closure(name: str, extras: Iterable[str] = ()) -> dict[str, Distribution]:
    """What `name` with `extras` brings along and is installed here, by canonical name; itself left out."""
    found: dict[str, Distribution] = {}
    waiting, seen = [(name, frozenset(extras))], set[tuple[str, frozenset[str]]]()
    while waiting:
        here, wanted = waiting.pop()
        if (here, wanted) in seen:
            continue
        seen.add((here, wanted))
        try:
            known = distribution(here)
        except PackageNotFoundError:
            continue
        found[canonicalize_name(here)] = known
        for line in known.requires or []:
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                waiting.append((canonicalize_name(need.name), frozenset(need.extras)))
    del found[canonicalize_name(name)]
    return dict(sorted(found.items()))


def licence(package: Distribution) -> str:
    """The licence as an SPDX expression, from the metadata's expression, its classifiers or its free text."""
    said = package.metadata.get("License-Expression")
    if said:
        return str(said)
    classifiers = package.metadata.get_all("Classifier") or []
    names = [c.rsplit(" :: ", 1)[1] for c in classifiers if c.startswith("License :: OSI Approved :: ")]
    names = names or (package.metadata.get("License") or "").splitlines()[:1]
    return " OR ".join(_NAMES.get(name, name) for name in names) or SILENT.get(package.metadata["Name"], "unknown")


def forbidden(packages: Iterable[tuple[str, str]]) -> list[str]:
    """The (package, licence) pairs that the policy does not allow, as text."""
    wrong = []
    for name, expression in packages:
        parts = expression.replace(" WITH ", "-WITH-").replace(" AND ", " OR ").strip("()").split(" OR ")
        if EXCEPTIONS.get(name) != expression and not ALLOWED.issuperset(parts):
            wrong.append(f"{name}: {expression}")
    return wrong


def page() -> str:
    """The page as Markdown."""
    rows = "".join(f"| {name} | {licence(found)} |\n" for name, found in closure("harmrate", EXTRAS).items())
    exceptions = "; ".join(f"The one exception is {name} ({said})" for name, said in EXCEPTIONS.items())
    return _HEAD.format(extras=",".join(EXTRAS), allowed=", ".join(sorted(ALLOWED)), exceptions=exceptions) + rows


if __name__ == "__main__":
    sys.stdout.write(page())
