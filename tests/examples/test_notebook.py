"""The example notebook runs from top to bottom and shows what is stored in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"


def shown(cell: dict[str, Any]) -> list[str]:
    """What a reader sees below a cell; of a picture only that there is one, which each matplotlib draws its own way."""
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        text = data.get("text/html") or data.get("text/plain") or output.get("text")
        found.append("picture" if "image/png" in data else "".join(text))
    return found


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_and_shows_what_is_stored_in_it() -> None:
    pytest.importorskip("ipykernel", reason="needs ipykernel, nbclient and nbformat")
    nbformat = pytest.importorskip("nbformat", reason="needs ipykernel, nbclient and nbformat")
    nbclient = pytest.importorskip("nbclient", reason="needs ipykernel, nbclient and nbformat")
    stored, again = (nbformat.read(NOTEBOOK, as_version=4) for _ in range(2))
    for cell in code_cells(again):
        cell["outputs"] = []
    folder = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(again, timeout=120, kernel_name="python3", resources=folder).execute()
    pairs = list(zip(code_cells(stored), code_cells(again), strict=True))
    assert len(pairs) > 10
    for before, after in pairs:
        assert shown(after) == shown(before), before["source"]


def test_the_notebook_shows_every_kind_of_answer_and_no_error() -> None:
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = code_cells(stored)
    everything = "".join(text for cell in cells for text in shown(cell))
    for caption in ("Harm rates", "Harm rate", "alpha", "sensitivity", "kappa", "Difference of rates"):
        assert f"<caption>{caption}</caption>" in everything
    assert "picture" in everything and "**simulated**" in "".join(stored["cells"][0]["source"])
    assert not [
        o for cell in cells for o in cell["outputs"] if o["output_type"] == "error" or o.get("name") == "stderr"
    ]
