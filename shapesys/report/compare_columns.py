"""The columns of a comparison: each run by itself, or runs that differ in nothing but their seed as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    groups = replicates(reports)
    headings = [_heading([names[at] for at in group]) for group in groups]
    # Two groups may share the start of their names, but no two share a run.
    headings = [
        heading if headings.count(heading) == 1 else f"{names[group[0]]}{_times(group)}"
        for heading, group in zip(headings, groups, strict=True)
    ]
    return [
        Column(heading, tuple(reports[at] for at in group)) for heading, group in zip(headings, groups, strict=True)
    ]


def replicates(reports: Sequence[RunReport]) -> list[list[int]]:
    """Positions of the runs that share everything but the training seed, the lone ones by themselves.

    A seed that a group holds already opens another group: the same settings twice are a rerun, say of other code.
    """
    groups: list[tuple[str, dict[str, int]]] = []
    for at, report in enumerate(reports):
        kind, seed = _apart_from_seed(report), repr(flatten(report.config).get(SEED))
        group = next((members for held, members in groups if held == kind and seed not in members), None)
        if group is None:
            groups.append((kind, {seed: at}))
        else:
            group[seed] = at
    return [list(members.values()) for _, members in groups]


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Folder names, with as many parents before them as it takes to tell them apart: trials of two sweeps."""
    return [_shortest_name(path, paths) for path in paths]


def _shortest_name(path: Path, among: Sequence[Path]) -> str:
    for depth in range(1, len(path.parts)):
        ending = path.parts[-depth:]
        if sum(other.parts[-depth:] == ending for other in among) == 1:
            return "/".join(ending)
    return str(path)


def differing_settings(columns: Sequence[Column]) -> list[tuple[str, list[Any]]]:
    """Dotted path and each column's value, of the settings in which any two runs differ."""
    configs = [[flatten(report.config) for report in column.reports] for column in columns]
    paths = sorted({path for column in configs for config in column for path in config})
    values = {path: [joined(config.get(path) for config in column) for column in configs] for path in paths}
    return [(path, found) for path, found in values.items() if len({repr(value) for value in found}) > 1]


def grouped_by_value(columns: Sequence[Column], values: Sequence[Any]) -> str:
    """'48 in small; 64 in wide, deep': who has which value, for a sentence."""
    holders: dict[str, list[str]] = {}
    for column, value in zip(columns, values, strict=True):
        if value is not None:
            holders.setdefault(_plain(value), []).append(column.name)
    return "; ".join(f"{value} in {', '.join(names)}" for value, names in holders.items())


def joined(values: Iterable[Any]) -> Any:
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


def _heading(names: Sequence[str]) -> str:
    """A run's name; of several what their names start with, and how many there are."""
    if len(names) == 1:
        return names[0]
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    shared = "".join(column[0] for column in letters).rstrip("-_./") or names[0]
    return f"{shared}{_times(names)}"


def _times(group: Sequence[object]) -> str:
    return f" × {len(group)} seeds" if len(group) > 1 else ""  # noqa: RUF001
