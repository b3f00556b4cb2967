"""Findings of a recipe as a table: our mean and spread over seeds beside the published number."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from shapesys.reproduction.finding import Finding, value_of
from shapesys.reproduction.recipe import Measure, Recipe


@dataclass(frozen=True)
class Cell:
    """One measure of one variant.

    Attributes:
        values: by seed, as the paper prints them.
        mean, spread: over the seeds; the spread is the sample standard deviation, None for one seed.
        published: as printed; empty where the paper has none.
        gain: mean over the seeds of the difference from the baseline with the same seed; None without.
        gain_spread: its sample standard deviation.
    """

    values: dict[int, float]
    mean: float | None
    spread: float | None
    published: str
    gain: float | None = None
    gain_spread: float | None = None


@dataclass(frozen=True)
class Line:
    """One variant.

    Attributes:
        cells: by title of the measure.
        counts: how its shapes came out (ok, empty, failed, missing) -> how many did, over all seeds.
    """

    label: str
    cells: dict[str, Cell]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def without(self) -> str:
        """'10 empty, 1 failed of 24': shapes of which there is nothing to measure; '-' where all have something."""
        lacking = [f"{count} {status}" for status, count in self.counts.items() if count and status != "ok"]
        return f"{', '.join(lacking)} of {sum(self.counts.values())}" if lacking else "-"


def table_of(recipe: Recipe, findings: Sequence[Finding]) -> list[Line]:
    """One line for each variant, those without findings included."""
    values = {
        (variant.label, measure.title): _values(variant.label, measure, findings)
        for variant in recipe.variants
        for measure in recipe.measures
    }
    lines = []
    for variant in recipe.variants:
        cells = {}
        for measure in recipe.measures:
            over = variant.over or recipe.baseline
            own, base = values[variant.label, measure.title], values.get((over, measure.title), {})
            gains = [own[seed] - base[seed] for seed in sorted(own.keys() & base.keys())]
            compared = gains if variant.label != over else []
            cells[measure.title] = Cell(
                own,
                _mean(list(own.values())),
                _spread(list(own.values())),
                variant.published.get(measure.title, ""),
                _mean(compared),
                _spread(compared),
            )
        lines.append(Line(variant.label, cells, _counts(variant.label, findings)))
    return lines


def plain(recipe: Recipe, lines: Sequence[Line]) -> dict[str, Any]:
    """The table as JSON-ready data."""
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "published_in": recipe.published_in,
        "measures": {measure.title: measure.name for measure in recipe.measures},
        "statistics": {measure.title: measure.statistic for measure in recipe.measures},
        "lines": [asdict(line) for line in lines],
    }


@dataclass(frozen=True)
class Layout:
    """A table as it is printed: of a table of the paper, variants are rows and measures groups of columns; of a figure,
    places along its axis are rows and variants groups of columns.

    Attributes:
        groups: heading of each group, and the names of its columns.
        rows: label, and a text for every column of all groups.
    """

    groups: list[tuple[str, list[str]]]
    rows: list[tuple[str, list[str]]]


def laid_out(recipe: Recipe, lines: Sequence[Line]) -> Layout:
    """Ours, the gain over the baseline where there is one, and the published numbers where there are any.

    A last column counts shapes without a result, where there are any. As soon as something was measured, measures of
    which nothing was, and nothing published either, have no columns: at a small scale a recipe measures less.
    """
    labels, titles = [line.label for line in lines], [measure.title for measure in recipe.measures]
    measures = {measure.title: measure for measure in recipe.measures}
    cells = {(line.label, title): line.cells[title] for line in lines for title in titles}
    began = any(cell.mean is not None for cell in cells.values())
    across, down = (labels, titles) if recipe.axis else (titles, labels)
    groups: list[tuple[str, list[str]]] = []
    texts: list[list[str]] = [[] for _ in down]
    for head in across:
        keys = [(head, row) if recipe.axis else (row, head) for row in down]
        if began and not recipe.axis and not any(cells[key].mean is not None or cells[key].published for key in keys):
            continue
        parts = _parts([(cells[label, title], measures[title]) for label, title in keys])
        groups.append((head, list(parts)))
        for row, added in zip(texts, zip(*parts.values(), strict=True), strict=True):
            row += added
    if not recipe.axis and any(line.without != "-" for line in lines):
        groups.append(("shapes", ["without"]))
        for row, line in zip(texts, lines, strict=True):
            row.append(line.without)
    return Layout(groups, list(zip(down, texts, strict=True)))


def _parts(cells: Sequence[tuple[Cell, Measure]]) -> dict[str, list[str]]:
    """The columns of one group."""
    parts = {"ours": [shown(cell, measure) for cell, measure in cells]}
    if any(cell.gain is not None for cell, _ in cells):
        parts["gain"] = [shown_gain(cell, measure) for cell, measure in cells]
    if any(cell.published for cell, _ in cells):
        parts["published"] = [cell.published or "-" for cell, _ in cells]
    return parts


def shown(cell: Cell, measure: Measure) -> str:
    """'93.30 ± 0.12'; a dash without values."""
    if cell.mean is None:
        return "-"
    spread = "" if cell.spread is None else f" ± {cell.spread:.{measure.digits}f}"
    return f"{cell.mean:.{measure.digits}f}{spread}"


def shown_gain(cell: Cell, measure: Measure) -> str:
    """'+0.30 ± 0.12'; empty for the baseline."""
    if cell.gain is None:
        return ""
    spread = "" if cell.gain_spread is None else f" ± {cell.gain_spread:.{measure.digits}f}"
    return f"{cell.gain:+.{measure.digits}f}{spread}"


def _values(label: str, measure: Measure, findings: Sequence[Finding]) -> dict[int, float]:
    named = [(finding.seed, value_of(finding.summary, measure)) for finding in findings if finding.variant == label]
    return {seed: value for seed, value in named if value is not None}


def _counts(label: str, findings: Sequence[Finding]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for finding in findings:
        if finding.variant == label:
            counted.update(finding.summary.get("counts", {}))
    return dict(counted)


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _spread(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
