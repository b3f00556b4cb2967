"""The offline page of saliency maps: how smooth and symmetric each method's are, the maps, and the mirror planes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapesys.evaluation.planes import CategoryPlane
from shapesys.report.numbers import MISSING, known
from shapesys.report.offline import asset, template, write_page
from shapesys.report.picture_rows import picture_rows
from shapesys.reproduction.finding import Finding, Picture
from shapesys.saliency.compared import STATISTICS, Measured, line_of, range_of
from shapesys.saliency.config import MapMetrics
from shapesys.samples.shape_ids import category_of, name_of

DIGITS = 4
COLUMNS = 6
"""Pictures side by side that a page is wide enough for."""
_PLANE = "mirror plane"


@dataclass(frozen=True)
class SaliencyPage:
    """What the page shows.

    Attributes:
        store: where the clouds are.
        methods: in the order of the rows.
        planes: how each category's plane is known.
        maps: method -> shape id -> picture of its map.
        mirrored: shape id -> picture of its mirror plane.
    """

    store: str
    metrics: MapMetrics
    methods: Sequence[Measured]
    planes: Mapping[str, CategoryPlane]
    notes: Sequence[str]
    maps: Mapping[str, Mapping[str, Path]]
    mirrored: Mapping[str, Path]


def build_saliency_page(page: SaliencyPage, out: Path) -> Path:
    """Write the page and return its place.

    Raises:
        ShapesysError: jinja2 is missing, or the page cannot be written.
    """
    words = {category: plane.in_words() for category, plane in page.planes.items()}
    lines = [(found, scaling) for found in page.methods for scaling in page.metrics.scaling]
    text = template("saliency.html", "the offline page").render(
        store=page.store,
        metrics=page.metrics,
        notes=page.notes,
        statistics=STATISTICS,
        methods=[_overall(found, scaling) for found, scaling in lines],
        categories=list(page.planes),
        by_category=[_by_category(*line, page.planes) for line in lines] if len(page.planes) > 1 else [],
        planes=list(words.items()),
        galleries=_galleries(page.maps, list(page.planes)),
        mirrored=_galleries({_PLANE: page.mirrored}, list(page.planes), words),
        style=asset("page.css"),
    )
    return write_page(text, out)


def _overall(found: Measured, scaling: str) -> dict[str, Any]:
    line = line_of(found, scaling)
    numbers = [_number(line[short][name]) for short in ("ssr", "d_sym") for name in STATISTICS]
    counts = [len(found.rows), found.no_plane, found.asymmetric, found.failed]
    return {"method": found.method, "scaling": scaling, "cells": [*numbers, _number(range_of(found)), *counts]}


def _by_category(found: Measured, scaling: str, categories: Iterable[str]) -> dict[str, Any]:
    """Means of both metrics; a dash where a method has no maps of a category."""
    lines = {name: line_of(found, scaling, name) for name in found.summary.categories}
    means = [
        [_number(lines[name][short]["mean"]) if name in lines else MISSING for name in categories]
        for short in ("ssr", "d_sym")
    ]
    return {"method": found.method, "scaling": scaling, "cells": [cell for part in means for cell in part]}


def _galleries(
    pictures: Mapping[str, Mapping[str, Path]], categories: Sequence[str], words: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Grids of pictures, each of a few categories: a row for each method, a column for each shape.

    Args:
        words: category -> what stands beside the name of its shapes.
    """
    names = {name for own in pictures.values() for name in own}
    groups = _groups(names, categories)
    findings = [
        Finding(label, 0, "", {}, tuple(_picture(name, path, groups, words) for name, path in own.items()))
        for label, own in pictures.items()
    ]
    return picture_rows(list(pictures), findings)


def _groups(shape_ids: Iterable[str], categories: Sequence[str]) -> dict[str, str]:
    """Category -> heading of its grid: as many categories together as a page is wide."""
    counts = Counter(category_of(name) for name in shape_ids)
    together = max(1, COLUMNS // max(counts.values(), default=1))
    rows = [categories[first : first + together] for first in range(0, len(categories), together)]
    return {category: ", ".join(row) for row in rows for category in row}


def _picture(shape_id: str, path: Path, groups: Mapping[str, str], words: Mapping[str, str] | None) -> Picture:
    category = category_of(shape_id)
    told = f": {words[category]}" if words else ""
    return Picture(str(path), f"{shape_id}{told}", (category, name_of(shape_id)), groups[category])


def _number(value: float) -> str:
    return f"{value:.{DIGITS}f}" if known(value) else MISSING
