"""The summary table: one line per metric, its floor beside it, statistics over all shapes and by category."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shapesys.metrics.names import FLOOR_ENDINGS, better_direction, is_floor, split_name

STATISTICS = ("mean", "median", "min", "max")
_OF_EACH_SHAPE = ("miou/instance", "miou/category")
_SET_ORDER = ("oa/class", "macc/class", "miou/instance", "miou/category", "oa/point", "macc/part", "miou/part")
_COUNTED = re.compile(r"(.*[/.]k)(\d+)")
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
        label: what papers call it, where that is not in its name.
    """

    name: str
    better: int
    convention: Mapping[str, Any]
    overall: Mapping[str, float]
    floor: float | None
    categories: Mapping[str, Mapping[str, float]]
    floors: Mapping[str, float | None]
    label: str = ""

    @property
    def metric(self) -> str:
        return split_name(self.name)[0]

    @property
    def variant(self) -> str:
        """The convention's name; of a number whose label says the rest, what the label leaves open."""
        convention = split_name(self.name)[1]
        return convention.partition(".")[2] if self.of_the_set else convention

    @property
    def of_the_set(self) -> bool:
        """Whether it is a number of all shapes together, which no shape has by itself."""
        return bool(self.label)

    @property
    def title(self) -> str:
        """What a table calls it, beside the variant."""
        return self.label or self.metric

    @property
    def reference(self) -> float | None:
        """The value whose size decides how many decimals the line shows."""
        mean, median = self.overall.get("mean"), self.overall.get("median")
        # Of shares, the median may be 1 where the mean has digits to tell.
        return mean if median is None or (mean is not None and abs(mean) < 1 <= abs(median)) else median


def metric_lines(summary: Mapping[str, Any]) -> list[MetricLine]:
    """The lines of a summary, in its own order; counts of superpixels by size."""
    overall = _metrics(summary.get("overall", {}))
    categories = {name: _metrics(group) for name, group in summary.get("categories", {}).items()}
    conventions = summary.get("conventions", {})
    names = [name for name in overall if not is_floor(name)]
    if any(_COUNTED.fullmatch(name) for name in names):
        names.sort(key=_by_count)
    return [_line(name, overall, categories, conventions.get(name, {})) for name in names]


def has_floors(lines: Iterable[MetricLine]) -> bool:
    """Whether any metric has a floor, as those of surfaces do."""
    return any(line.floor is not None for line in lines)


def _by_count(name: str) -> tuple[str, int]:
    """``asa/mean.k96`` before ``asa/mean.k294``, which the alphabet has the other way round."""
    found = _COUNTED.fullmatch(name)
    return (found[1], int(found[2])) if found else (name, 0)


def whole_set_lines(summary: Mapping[str, Any]) -> list[MetricLine]:
    """Numbers of all shapes together, such as overall accuracy: their only statistic is called the mean."""
    # Rooms have one category, whose classes are judged by the points of all together.
    pooled_first = len(summary.get("vocabulary", {}).get("categories", ())) == 1
    scores = sorted(summary.get("whole_set", {}).items(), key=lambda item: _place(item[0], pooled_first))
    counted = int((summary.get("overall", {}).get("counts") or {}).get("ok", 0))
    return [
        MetricLine(
            name=name,
            better=better_direction(name),
            convention={"meaning": score["definition"]},
            overall={"mean": score["value"], "count": counted},
            floor=None,
            categories={},
            floors={},
            label=score["label"],
        )
        for name, score in scores
    ]


def _place(name: str, pooled_first: bool) -> tuple[bool, int]:
    """Where a number of the whole set stands: as papers list them, unknown ones last."""
    known = [place for place, beginning in enumerate(_SET_ORDER) if name.startswith(beginning)]
    return pooled_first and name.startswith(_OF_EACH_SHAPE), known[0] if known else len(_SET_ORDER)


def all_lines(summary: Mapping[str, Any]) -> list[MetricLine]:
    """The numbers of the whole set, then the metrics of shapes."""
    return [*whole_set_lines(summary), *metric_lines(summary)]


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
