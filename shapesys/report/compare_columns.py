"""The columns of a comparison: each run by itself, or runs that differ in nothing but their seed as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from shapesys.report.flatten import flatten
from shapesys.report.load import Evaluation, RunReport

SEED = "train.seed"
_PLACEMENT = "scale."


@dataclass(frozen=True)
class Column:
    """One or several runs under one heading.

    Attributes:
        name: unlike that of any other column.
        reports: the runs; several are replicates with other seeds.
    """

    name: str
    reports: tuple[RunReport, ...]

    @property
    def replicated(self) -> bool:
        return len(self.reports) > 1

    def evaluations(self, split: str) -> list[Evaluation]:
        """The runs' results on a split; fewer than the runs where some have none."""
        return [found for report in self.reports for found in report.evaluations if found.split == split]


def make_columns(reports: Sequence[RunReport], group_seeds: bool = False) -> list[Column]:
    """Runs as columns, in the order given; the first is the baseline.

    Args:
        reports: the runs.
        group_seeds: put runs that differ in nothing but their training seed into one column.
    """
    names = distinct_names([report.run.path for report in reports])
    if not group_seeds:
        return [Column(name, (report,)) for name, report in zip(names, reports, strict=True)]
    return [_grouped([names[at] for at in group], [reports[at] for at in group]) for group in replicates(reports)]


def replicates(reports: Sequence[RunReport]) -> list[list[int]]:
    """Positions of the runs that share everything but the training seed, the lone ones by themselves."""
    groups: dict[str, list[int]] = {}
    for at, report in enumerate(reports):
        groups.setdefault(_apart_from_seed(report), []).append(at)
    return list(groups.values())


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Folder names, with as many parents before them as it takes to tell them apart: trials of two sweeps."""
    for depth in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def differing_settings(columns: Sequence[Column]) -> list[tuple[str, list[Any]]]:
    """Dotted path and each column's value, of the settings in which any two runs differ."""
    configs = [[flatten(report.config) for report in column.reports] for column in columns]
    paths = sorted({path for column in configs for config in column for path in config})
    values = {path: [_joined(config.get(path) for config in column) for column in configs] for path in paths}
    return [(path, found) for path, found in values.items() if len({repr(value) for value in found}) > 1]


def grouped_by_value(columns: Sequence[Column], values: Sequence[Any]) -> str:
    """'48 in small; 64 in wide, deep': who has which value, for a sentence."""
    holders: dict[str, list[str]] = {}
    for column, value in zip(columns, values, strict=True):
        if value is not None:
            holders.setdefault(_plain(value), []).append(column.name)
    return "; ".join(f"{value} in {', '.join(names)}" for value, names in holders.items())


def joined_facts(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One fact sheet for several runs; what they disagree on as a list."""
    names = dict.fromkeys(name for facts in found for name in facts)
    return {name: _joined(facts.get(name) for facts in found) for name in names}


def _joined(values: Iterable[Any]) -> Any:
    """The value that all share, or the list of different ones."""
    distinct = list({repr(value): value for value in values}.values())
    return distinct[0] if len(distinct) == 1 else distinct


def _plain(value: Any) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


def _apart_from_seed(report: RunReport) -> str:
    """Everything that makes the run what it is, without its seed; data by content where that is known."""
    settings = {
        path: value
        for path, value in flatten(report.config).items()
        if path != SEED and not path.startswith(_PLACEMENT)
    }
    digest = report.provenance.get("data_digest")
    if digest:
        settings["data.store"] = digest
    return repr(sorted(settings.items()))


def _grouped(names: Sequence[str], reports: Sequence[RunReport]) -> Column:
    if len(reports) == 1:
        return Column(names[0], tuple(reports))
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    shared = "".join(column[0] for column in letters).rstrip("-_./") or names[0]
    return Column(f"{shared} × {len(reports)} seeds", tuple(reports))  # noqa: RUF001
