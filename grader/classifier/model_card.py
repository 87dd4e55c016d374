"""The model card beside a trained classifier."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def model_card(metadata: Mapping[str, Any]) -> str:
    """Fill `card.md.j2` from the artifact."""
    from jinja2 import Environment, StrictUndefined

    template = (Path(__file__).parent / "card.md.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    environment.filters["interval"] = _interval
    return environment.from_string(template).render(m=metadata, versions=json.dumps(metadata["versions"])) + "\n"


def _interval(value: Sequence[float]) -> str:
    """Value and limits; a dash for what is not defined.

    Examples
    --------
    >>> _interval((0.912, 0.85, 0.95)), _interval((0.5, float("nan"), float("nan")))
    ('.912 (.850 to .950)', '.500')
    """
    point, low, high = ("-" if math.isnan(v) else f"{v:.3f}".replace("0.", ".") for v in value)
    return point if low == "-" else f"{point} ({low} to {high})"
