"""The model card that lies beside a trained classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def model_card(metadata: Mapping[str, Any]) -> str:
    """Fill `card.md.j2` with what the artifact knows of itself."""
    from jinja2 import Environment, StrictUndefined

    template = (Path(__file__).parent / "card.md.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    return environment.from_string(template).render(m=metadata, versions=json.dumps(metadata["versions"])) + "\n"
