"""Writes the page of the example notebook from the notebook itself, outputs and all."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "notebook.ipynb"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir)))
    return {"parallel_read_safe": True}


def write(folder: Path) -> None:
    """Write ``notebook.md``, the notebook for download, and its pictures into `folder`."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    (pictures / NOTEBOOK.name).write_bytes(NOTEBOOK.read_bytes())
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    parts = [part for number, cell in enumerate(cells) for part in _parts(cell, number, pictures)]
    title, *rest = parts
    link = f"{{download}}`The notebook <pictures/{NOTEBOOK.name}>` itself lies in `examples/`."
    text = "\n\n".join([title, link, *rest]) + "\n"
    target = folder / "notebook.md"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def _parts(cell: Mapping[str, Any], number: int, pictures: Path) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```ipython\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            path = pictures / f"notebook-{number}.png"
            path.write_bytes(base64.b64decode(data["image/png"]))
            yield f"![What the cell above draws](pictures/{path.name})"
        elif "text/html" in data:
            yield f"```{{raw}} html\n{_styled(''.join(data['text/html']))}\n```"
        else:
            yield f"```text\n{''.join(output.get('text') or data['text/plain']).rstrip()}\n```"


def _styled(html: str) -> str:
    """Tables as those of the page look, without the style sheet that pandas puts before each."""
    before, style, rest = html.partition("<style scoped>")
    bare = before + rest.partition("</style>")[2] if style else html
    return re.sub(r"<table[^>]*>", '<table class="docutils align-default">', bare)
