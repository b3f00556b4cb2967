"""Pictures of findings as a grid: a row for each variant, what shows the same in the same column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapesys.report.picture_gallery import embedded_picture
from shapesys.reproduction.finding import Finding, Picture

_SMALL = 240
"""Pixels; narrower pictures are shown enlarged, and keep their pixels."""

Key = tuple[Any, ...]


def picture_rows(labels: Sequence[str], findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """One grid for each group of pictures, ready for the template.

    Args:
        labels: of the variants, in the order of the rows; each shows the pictures of its first seed that has any.
        findings: in any order.
    """
    placed = {label: _placed(first_seed(label, [one for one in findings if one.pictures])) for label in labels}
    groups = sorted({group for pictures in placed.values() for group, _ in pictures})
    return [_grid(group, placed) for group in groups]


def first_seed(label: str, findings: Sequence[Finding]) -> list[Finding]:
    """Those of a variant with its smallest seed."""
    own = [finding for finding in findings if finding.variant == label]
    return [finding for finding in own if finding.seed == min(one.seed for one in own)]


def _placed(findings: Sequence[Finding]) -> dict[tuple[str, Key], dict[str, Any]]:
    """Pictures that can be read, by group and column."""
    found: dict[tuple[str, Key], dict[str, Any]] = {}
    seen: Counter[tuple[str, Key]] = Counter()
    for picture in (picture for finding in findings for picture in finding.pictures):
        # Numbers come before names, and those of one column in the order in which they came.
        parts = tuple((isinstance(part, str), part) for part in picture.column)
        place = (picture.group, parts)
        if shown := _shown(picture):
            found[picture.group, (parts, seen[place])] = shown
            seen[place] += 1
    return found


def _shown(picture: Picture) -> dict[str, Any] | None:
    from PIL import Image

    source = embedded_picture(Path(picture.path))
    if not source:
        return None
    with Image.open(picture.path) as opened:
        return {"source": source, "caption": picture.caption, "small": opened.width < _SMALL}


def _grid(group: str, placed: dict[str, dict[tuple[str, Key], dict[str, Any]]]) -> dict[str, Any]:
    columns = sorted({key for pictures in placed.values() for held, key in pictures if held == group})
    rows = [
        {"variant": label, "cells": [pictures.get((group, key)) for key in columns]}
        for label, pictures in placed.items()
        if any(held == group for held, _ in pictures)
    ]
    return {"group": group, "columns": len(columns), "rows": rows}
