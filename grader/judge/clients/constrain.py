"""What keeps a small model's answer usable: its side from one token, its JSON within bounds."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any


def yes_share(log_probabilities: Mapping[str, float]) -> tuple[float | None, float]:
    """Share of "yes" among the tokens that say yes or no, and these tokens' total probability.

    Examples
    --------
    >>> yes_share({"Yes": math.log(0.3), " no": math.log(0.1), "The": math.log(0.6)})
    (0.75, 0.4)
    >>> yes_share({"The": 0.0})
    (None, 0.0)
    """
    sides = {"yes": 0.0, "no": 0.0}
    for token, log_probability in log_probabilities.items():
        word = token.strip().strip('."*').lower()
        if word in sides:
            sides[word] += math.exp(log_probability)
    mass = sides["yes"] + sides["no"]
    return (round(sides["yes"] / mass, 12) if mass else None), round(mass, 12)


def fixed_side(schema: Mapping[str, Any], probability: float | None) -> dict[str, Any]:
    """One harm's schema with the stages of the side that `probability` is on; None leaves only ``cannot_assess``.

    Examples
    --------
    >>> schema = {"properties": {"stage": {"type": "string"}, "probability": {"type": "integer"}}}
    >>> fixed_side(schema, 0.496)["properties"]["probability"]
    {'const': 49}
    """
    fixed = copy.deepcopy(dict(schema))
    if probability is None:
        stages, percent = ["cannot_assess"], 50
    elif probability >= 0.5:
        stages, percent = ["attempted", "completed"], round(100 * probability)
    else:
        stages, percent = ["none", "considered"], min(49, round(100 * probability))
    fixed["properties"] |= {"stage": {"type": "string", "enum": stages}, "probability": {"const": percent}}
    return fixed


def bounded(schema: Any) -> Any:
    """A JSON schema with lengths a small model can fill: left alone it repeats itself to the end.

    Examples
    --------
    >>> bounded({"type": "array", "items": {"type": "string"}})
    {'type': 'array', 'items': {'type': 'string', 'maxLength': 300}, 'maxItems': 3}
    """
    if isinstance(schema, list):
        return [bounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: bounded(part) for name, part in schema.items()}
    if "enum" in schema or "const" in schema:
        return inside
    limits: dict[Any, dict[str, int]] = {
        "string": {"maxLength": 300},
        "array": {"maxItems": 3},
        "integer": {"minimum": 0, "maximum": 999},
    }
    kind = schema.get("type")
    return inside | limits.get(kind, {}) if isinstance(kind, str) else inside
