"""Nested plain data as dotted paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"model": {"width": 8}}`` -> ``{"model.width": 8}``; lists are leaves."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        path = f"{prefix}{name}"
        found |= flatten(value, f"{path}.") if isinstance(value, Mapping) and value else {path: value}
    return found
