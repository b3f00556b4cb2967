"""What a recipe says: the data, the experiments, the measures, and what was published.

A recipe runs at a scale: ``tiny`` in minutes on a laptop, on data that comes with the package, or ``paper`` as it was
published, on the data of the paper, which users bring. It may name more data. All print the published numbers beside
ours, and say what differs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from shapesys.reproduction.experiment import Experiment

Scale = Literal["tiny", "paper"]
Statistic = Literal["mean", "min", "max"]


@dataclass(frozen=True)
class Measure:
    """One column of the table.

    Attributes:
        title: as the paper calls it.
        name: of a metric, or of a number of the whole set, in an evaluation's summary.
        factor: of the printed number, e.g. 100 for per cent.
        digits: decimals of the printed number.
        at: place along a figure's axis; None for a table.
        statistic: of a metric over the shapes; a number of the whole set has its ``mean`` alone, which is itself.
    """

    title: str
    name: str
    factor: float = 1.0
    digits: int = 2
    at: float | None = None
    statistic: Statistic = "mean"


@dataclass(frozen=True)
class Variant:
    """One row of the table, or one curve of the figure; a kind of recipe adds what makes it.

    Attributes:
        label: as it is printed.
        published: title of a measure -> number as printed.
        over: label of the variant that this one is compared with, seed by seed; empty for the recipe's baseline.
        at: its place on the axis of a figure whose variants lie along it; all of a recipe have one, or none.
    """

    label: str
    published: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    over: str = field(default="", kw_only=True)
    at: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Data:
    """What a store is prepared from.

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
class Request:
    """What a user asks of a recipe.

    Attributes:
        scale: of the experiments.
        data: name of the chosen data among the recipe's.
        store: where that data is, or will be before the first experiment starts.
        root: folder of the runs.
        seeds: one repetition of everything for each.
        changes: dotted path -> value, for all training.
    """

    scale: Scale
    data: str
    store: str
    root: str
    seeds: tuple[int, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe(ABC):
    """One published table or figure.

    Attributes:
        name: what users type, ``<paper>.<table>``.
        title: what it shows.
        published_in: paper, table or figure.
        variants: in the order of the table.
        measures: in the order of the columns, or along the axis of a figure.
        data: name -> what to prepare; ``tiny`` and ``paper`` are what the scales of that name use by default.
        baseline: label of the variant that those are compared with, seed by seed, which name no other; empty for none.
        seeds: repetitions of each variant.
        split: what is measured.
        axis: title of a figure's axis; empty for a table.
        notes: what else differs from the publication, at any scale.
        shares: recipes of one name here keep their runs in one folder per scale and data, and find each other's;
            empty for runs of its own.
    """

    name: str
    title: str
    published_in: str
    variants: Sequence[Variant]
    measures: tuple[Measure, ...]
    data: Mapping[str, Data]
    baseline: str = ""
    seeds: int = 3
    split: str = "test"
    axis: str = ""
    notes: tuple[str, ...] = ()
    shares: str = ""

    def baselines(self) -> tuple[str, ...]:
        """Labels of all variants that others are compared with."""
        return tuple(dict.fromkeys(filter(None, (self.baseline, *(variant.over for variant in self.variants)))))

    @abstractmethod
    def phases(self, request: Request) -> Sequence[Sequence[Experiment]]:
        """The experiments, all names different; those of a phase start when all of the phase before have ended.

        Nothing is read: the store may not exist yet.

        Raises:
            UsageError: a setting that does not exist.
        """
