"""What is installed is what is in the checkout: every file of the packages is in the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("grader", "labels", "calibration", "harmrate")


def test_the_wheel_holds_every_file_of_the_packages(tmp_path):
    copy = tmp_path / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "docs", "benchmarks")
    shutil.copytree(ROOT, copy, ignore=ignored)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*command, str(copy)], check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {p.relative_to(copy).as_posix() for name in PACKAGES for p in (copy / name).rglob("*") if p.is_file()}
    files |= {p.name for p in copy.glob("cli*.py")}
    missing = {name for name in files if name not in packed and "/build/" not in name}
    assert len(files) > 200 and missing == set()
    assert any(name.endswith("share/harmrate/study/transcripts.jsonl") for name in packed), "the demonstration's study"
