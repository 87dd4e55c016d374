"""A user's own module that hides one of our packages is named in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEST = "def test_rate(assert_harm_rate):\n    assert_harm_rate('v.csv', below=0.5)\n"


@pytest.mark.parametrize("name", ["labels", "calibration"])
def test_a_file_that_hides_a_package_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("MINE = 1\n")
    (tmp_path / "test_mine.py").write_text(TEST)
    start = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.path.append({str(ROOT)!r}); import pytest; "
    start += "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'test_mine.py']))"
    run = subprocess.run([sys.executable, "-c", start], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert f"{tmp_path / name}.py: hides the package '{name}' of harmrate: rename the file" in run.stdout
    assert run.returncode != 0
