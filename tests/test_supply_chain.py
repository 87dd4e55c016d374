"""What comes along with harmrate: pinned, with hashes, under licences that the policy allows."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from docs import licences

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
LOCKED_EXTRAS = ("offline", "onnx", "serve")


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version_ for name, version_ in found}


def installed() -> dict[str, str]:
    try:
        version("onnx"), version("fastapi")
    except licences.PackageNotFoundError:
        pytest.skip("the extras onnx and serve are not installed")
    return {name: found.version for name, found in licences.closure("harmrate", LOCKED_EXTRAS).items()}


def test_licences_are_those_that_the_policy_allows_and_the_page_lists():
    packages = licences.closure("harmrate", licences.EXTRAS)
    pinned = pins(ROOT / "constraints.txt")
    ours = {name: package.version.partition("+")[0] for name, package in packages.items()}
    if other := [name for name, version_ in ours.items() if pinned.get(name, version_) != version_]:
        pytest.skip(f"the page is of the pinned versions, and {other[0]} is another one")
    found = {name: licences.licence(package) for name, package in packages.items()}
    assert len(found) > 80 and licences.forbidden(found.items()) == []
    page = dict(re.findall(r"^\| (\w[a-z0-9-]*) \| (.+) \|$", (ROOT / "docs/licences.md").read_text(), re.MULTILINE))
    missing = {name: said for name, said in found.items() if name not in page}
    assert missing == {}, "run `make licences`"
    assert licences.forbidden((name, said) for name, said in page.items() if name != "package") == []
    # The user is told of what binds more than the rest.
    assert page["krippendorff"] == "GPL-3.0-or-later" and "krippendorff" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("a", "GPL-3.0-or-later"),
        ("a", "MIT AND AGPL-3.0-only"),
        ("a", "unknown"),
        ("a", "Other/Proprietary License"),
        ("krippendorff", "AGPL-3.0-only"),
    ],
)
def test_other_licences_are_refused(name, expression):
    assert licences.forbidden([(name, expression)]) == [f"{name}: {expression}"]


def test_expressions_of_allowed_licences_pass():
    said = ["MIT", "(MIT OR Apache-2.0)", "Apache-2.0 WITH LLVM-exception AND BSD-2-Clause", "MPL-2.0 AND MIT"]
    assert licences.forbidden(("a", one) for one in said) == []


def test_the_lock_pins_the_whole_closure_with_hashes_at_the_constraints_versions():
    locked, constrained = pins(LOCK), pins(ROOT / "constraints.txt")
    assert len(locked) > 80
    assert {name: v for name, v in locked.items() if constrained.get(name) != v} == {}
    entries = re.split(r"\n(?=\S)", LOCK.read_text().strip())
    unhashed = [e for e in entries if e[0] != "#" and not re.search(r"--hash=sha256:[0-9a-f]{64}", e)]
    assert unhashed == []
    # torch has a build for each kind of machine: whoever installs chooses one, and what only it needs comes with it.
    assert set(installed()) - set(locked) <= {"torch", *licences.closure("torch")}


def test_constraints_pin_all_that_is_installed():
    constrained = pins(ROOT / "constraints.txt")
    here = installed()
    assert set(here) - set(constrained) <= {"setuptools"}
    differing = {name: v for name, v in here.items() if name in constrained and v.split("+")[0] != constrained[name]}
    if differing:
        pytest.skip(f"installed without the constraints: {', '.join(differing)}")


def test_the_citation_names_this_version():
    cited = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version('harmrate')}\n" in cited and "\nlicense: Apache-2.0\n" in cited
