"""Read what a sweep's directory holds, at any time: before its first trial, while it runs, after its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shapesys.report.sweep_points import WORDS, Point, points_of, ranked, state
from shapesys.training.run_dir import read_json
from shapesys.tuning.config import Sweep, load_sweep
from shapesys.tuning.ledger import Ledger, TrialRecord
from shapesys.tuning.sweep_dir import SweepDirectory


@dataclass(frozen=True)
class SweepReport:
    """A sweep as it lies on disk.

    Attributes:
        records: every trial by id, in the order they began.
        points: the same trials by point, in the order of their numbers.
        ranking: points with a finished trial, best first.
        status: status.json, empty where there is none.
    """

    directory: SweepDirectory
    sweep: Sweep
    records: Mapping[str, TrialRecord]
    points: list[Point]
    ranking: list[Point]
    status: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def best(self) -> Point | None:
        return self.ranking[0] if self.ranking else None

    @property
    def alive(self) -> bool:
        """Whether trials that have not ended can still be running."""
        return self.status.get("state", "running") == "running"

    def word(self, record: TrialRecord) -> str:
        """How a trial ended; one that has not ended while the sweep is at rest was interrupted."""
        return WORDS[state(record)] if record.ending or self.alive else "interrupted"

    @property
    def places(self) -> dict[int, int]:
        """Point number -> place."""
        return {point.number: place for place, point in enumerate(self.ranking)}


def load_sweep_report(directory: SweepDirectory) -> SweepReport:
    """Everything the page shows of a sweep.

    Raises:
        ShapesysError: sweep.json is missing or broken.
    """
    sweep = load_sweep(directory)
    records = Ledger(directory.ledger).records()
    points = points_of(sweep, records)
    status, provenance = (
        read_json(path) if path.is_file() else {} for path in (directory.status, directory.provenance)
    )
    return SweepReport(directory, sweep, records, points, ranked(sweep, points), status, provenance)
