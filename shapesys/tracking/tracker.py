"""The Tracker protocol: what the rest of the system says to any experiment tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from shapesys.errors import unknown_name

PENDING = "pending"
"""The id of a run that its server has not taken yet."""

Outcome = Literal["finished", "failed", "interrupted"]
OUTCOMES: tuple[Outcome, ...] = ("finished", "failed", "interrupted")


@dataclass(frozen=True)
class DataSet:
    """The data a run learned from.

    Attributes:
        name: the store's folder name.
        digest: of its content; a tracker may keep the beginning only.
        source: its address, as the run opened it.
        context: what it served for.
    """

    name: str
    digest: str
    source: str
    context: str = "training"


@dataclass(frozen=True)
class RunDescription:
    """What a tracker is told when a run starts.

    Attributes:
        name: the run's name, also the run directory's.
        experiment: groups runs; the family's name by default.
        params: dotted path -> value, only those that differ from the preset, plus preset and family.
        tags: short facts a person filters by (family, preset, category, data digest, commit).
        parent: tracked id of the parent run (a sweep), or None; `PENDING` where the parent itself still waits for its
            server: a trial then joins its sweep as soon as both are known there.
        attach: add results to an existing run and leave its status as training left it (evaluation does this).
        note: Markdown that says what the run is; what a person wrote instead is kept.
        data: the data set that the run uses, or None.
    """

    name: str
    experiment: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    attach: bool = False
    note: str = ""
    data: DataSet | None = None


class Tracker(Protocol):
    """One tracked run. Never blocks and never raises because the tracker's server is away."""

    def start(self, description: RunDescription, resume: str | None = None) -> str:
        """Open the run and return its id.

        The run that the run directory's tracking.json names is opened again where there is one; `resume` names
        another run to open again.
        """
        ...

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...

    def artifacts(self, paths: Sequence[Path], folder: str = "") -> None:
        """Files, or whole folders, to keep with the run below `folder`."""
        ...

    def table(self, rows: Path, name: str) -> None:
        """A per-shape Parquet table, shown as a table where the tracker can."""
        ...

    def tags(self, values: Mapping[str, str]) -> None:
        """Short facts known only later, e.g. why the run ended; a tag of the same name is replaced."""
        ...

    def finish(self, status: str) -> None:
        """Close the run: ``finished``, ``failed`` or ``interrupted``.

        Raises:
            UsageError: any other status.
        """
        ...


class NoTracker:
    """Tracks nothing."""

    def start(self, description: RunDescription, resume: str | None = None) -> str:
        return ""

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...

    def artifacts(self, paths: Sequence[Path], folder: str = "") -> None: ...

    def table(self, rows: Path, name: str) -> None: ...

    def tags(self, values: Mapping[str, str]) -> None: ...

    def finish(self, status: str) -> None:
        require_outcome(status)


def require_outcome(status: str) -> None:
    """Refuse a status that is none of the three outcomes."""
    if status not in OUTCOMES:
        raise unknown_name("run status", status, OUTCOMES)
