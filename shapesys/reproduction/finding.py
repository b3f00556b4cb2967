"""What an experiment found: numbers, and what the page shows beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shapesys.reproduction.recipe import Measure


@dataclass(frozen=True)
class Picture:
    """One picture on the page.

    Attributes:
        path: of the file.
        caption: what stands below it.
        column: what it shows, in sortable parts: pictures of other variants with the same column stand above or below
            it. Pictures without stand as they come.
        group: pictures of one group are shown together, a row for each variant, under this heading.
    """

    path: str
    caption: str = ""
    column: tuple[str | int, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Scatter:
    """Points of the plane by category, such as features projected by t-SNE.

    Attributes:
        title: what is said above them, such as a score.
        points: m pairs (x, y), in no unit.
        categories: the category of each point.
    """

    title: str
    points: Sequence[tuple[float, float]]
    categories: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.points) != len(self.categories):
            raise ValueError(f"{len(self.points)} points have {len(self.categories)} categories; give one for each")


@dataclass(frozen=True)
class Finding:
    """What one variant with one seed came out as. A variant may have several: each fills in what it measured.

    Attributes:
        variant: its label.
        seed: of the run.
        run: its folder.
        summary: of the evaluation, as `value_of` reads it.
        pictures: a few, for the page.
        scatter: for the page.
    """

    variant: str
    seed: int
    run: str
    summary: Mapping[str, Any]
    pictures: tuple[Picture, ...] = ()
    scatter: Scatter | None = None


def value_of(summary: Mapping[str, Any], measure: Measure) -> float | None:
    """A measure's number, times its factor; None where the summary has none.

    Args:
        summary: numbers of the whole set as ``{"whole_set": {name: {"value": number}}}``, statistics over the shapes as
            ``{"overall": {"metrics": {name: {"mean": number, "min": number, "max": number}}}}``; either may lack.
    """
    value = summary.get("overall", {}).get("metrics", {}).get(measure.name, {}).get(measure.statistic)
    whole = summary.get("whole_set", {}).get(measure.name, {})
    if whole and measure.statistic == "mean":
        value = whole.get("value", whole.get("mean"))
    return None if value is None else float(value) * measure.factor
