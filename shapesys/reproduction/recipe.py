"""What a recipe says: the data, the runs, the measures, and what was published.

A recipe runs at a scale: ``tiny`` on data that comes with the package, in minutes on a laptop, or ``paper`` on the data
of the paper, which users bring. Both print the published numbers beside ours, and say what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scale = Literal["tiny", "paper"]


@dataclass(frozen=True)
class Measure:
    """One column of the table.

    Attributes:
        title: as the paper calls it.
        name: of a metric, or of a number of the whole set, in an evaluation's summary.
        factor: of the printed number, e.g. 100 for per cent.
        digits: decimals of the printed number.
        at: place along a figure's axis; None for a table.
    """

    title: str
    name: str
    factor: float = 1.0
    digits: int = 2
    at: float | None = None


@dataclass(frozen=True)
class Variant:
    """One row of the table, or one curve of the figure.

    Attributes:
        label: as it is printed.
        family: to train.
        presets: scale -> preset of the family.
        changes: dotted path -> value, on top of the preset.
        inference: changes to the family's inference settings, of the evaluation alone: variants that differ in nothing
            else share one run.
        published: title of a measure -> number as printed.
    """

    label: str
    family: str
    presets: Mapping[Scale, str]
    changes: Mapping[str, Any] = field(default_factory=dict)
    inference: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """What a scale is prepared from.

    Attributes:
        name: of the store; recipes with the same data share it.
        source: registered name.
        settings: of the source.
        sampler: preset of the sampler.
        changes: dotted path -> value, on top of it.
        brought: what a user has to bring under ``--root``; empty where nothing.
        differs: what is different from the published data.
    """

    name: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    sampler: str = "tiny"
    changes: Mapping[str, Any] = field(default_factory=dict)
    brought: str = ""
    differs: str = ""


@dataclass(frozen=True)
class Recipe:
    """One published table or figure.

    Attributes:
        name: what users type, ``<paper>.<table>``.
        title: what it shows.
        published_in: paper, table or figure.
        variants: in the order of the table.
        measures: in the order of the columns, or along the axis of a figure.
        data: scale -> what to prepare.
        baseline: label of the variant that the others are compared with, seed by seed; empty for none.
        seeds: runs of each variant.
        split: what is measured.
        axis: title of a figure's axis; empty for a table.
        notes: what else differs from the publication, at any scale.
    """

    name: str
    title: str
    published_in: str
    variants: tuple[Variant, ...]
    measures: tuple[Measure, ...]
    data: Mapping[Scale, Data]
    baseline: str = ""
    seeds: int = 3
    split: str = "test"
    axis: str = ""
    notes: tuple[str, ...] = ()
