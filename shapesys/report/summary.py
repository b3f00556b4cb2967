"""The summary table: one line per metric, its floor beside it, statistics over all shapes and by category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shapesys.metrics.names import FLOOR_ENDINGS, better_direction, is_floor, split_name

STATISTICS = ("mean", "median", "min", "max")
_COUNT_ORDER = ("ok", "empty", "failed", "missing", "rejected")


@dataclass(frozen=True)
class MetricLine:
    """One metric of one summary.

    Attributes:
        name: its column in the per-shape table, ``metric/convention``.
        better: +1 where higher is better, -1 where lower is, 0 where neither.
        convention: everything that pins the number down: squared?, multiplier, sample counts, frame, ...
        overall: statistic -> value over all shapes.
        floor: what two samplings of the ground truth give (mean over shapes), or None.
        categories: category -> statistic -> value.
        floors: category -> floor.
    """

    name: str
    better: int
    convention: Mapping[str, Any]
    overall: Mapping[str, float]
    floor: float | None
    categories: Mapping[str, Mapping[str, float]]
    floors: Mapping[str, float | None]

    @property
    def metric(self) -> str:
        return split_name(self.name)[0]

    @property
    def variant(self) -> str:
        """The convention's name."""
        return split_name(self.name)[1]

    @property
    def reference(self) -> float | None:
        """The value whose size decides how many decimals the line shows."""
        return self.overall.get("median", self.overall.get("mean"))


def metric_lines(summary: Mapping[str, Any]) -> list[MetricLine]:
    """The lines of a summary, in its own order."""
    overall = _metrics(summary.get("overall", {}))
    categories = {name: _metrics(group) for name, group in summary.get("categories", {}).items()}
    conventions = summary.get("conventions", {})
    return [_line(name, overall, categories, conventions.get(name, {})) for name in overall if not is_floor(name)]


def counts(summary: Mapping[str, Any]) -> dict[str, int]:
    """How many shapes ended how: the four outcomes always, what else the summary counts after them."""
    found = summary.get("counts") or summary.get("overall", {}).get("counts") or {}
    shown = {name: int(found.get(name, 0)) for name in _COUNT_ORDER if name in found or name != "rejected"}
    return shown | {name: int(value) for name, value in found.items() if name not in shown and name != "total"}


def _line(
    name: str, overall: Mapping[str, Any], categories: Mapping[str, Any], convention: Mapping[str, Any] | str
) -> MetricLine:
    record = convention if isinstance(convention, Mapping) else {"convention": convention}
    return MetricLine(
        name=name,
        better=better_direction(name, record),
        convention=record,
        overall=overall[name],
        floor=_floor(overall, name),
        categories={category: values[name] for category, values in categories.items() if name in values},
        floors={category: _floor(values, name) for category, values in categories.items()},
    )


def _metrics(group: Mapping[str, Any]) -> Mapping[str, Any]:
    """Metric -> statistics of a group, which may hold its counts beside them."""
    metrics: Mapping[str, Any] = group.get("metrics", group)
    return metrics


def _floor(metrics: Mapping[str, Any], name: str) -> float | None:
    return next((metrics[name + end].get("mean") for end in FLOOR_ENDINGS if name + end in metrics), None)
