"""Knobs and their values in few letters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Dotted path -> its last part, or the whole path where two end alike."""
    paths = list(paths)
    last = {path: path.rpartition(".")[2] for path in paths}
    often = Counter(last.values())
    return {path: name if often[name] == 1 else path for path, name in last.items()}


def value_text(value: Any) -> str:
    """A knob's value: four significant digits of a fraction, words and whole numbers as they are."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)


def shortened(text: str, most: int) -> str:
    """At most `most` letters of `text`, the middle left out."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"
