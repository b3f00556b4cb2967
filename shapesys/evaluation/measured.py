"""What measuring one prediction gives, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shapesys.metrics.record import MetricRecord, Status
from shapesys.training.run_dir import EvaluationDirectory


@dataclass(frozen=True)
class Measured:
    """A row of results and the records behind its metrics; each kind of prediction adds what pictures are drawn of."""

    row: dict[str, Any]
    records: tuple[MetricRecord, ...]

    def write(self, keep: EvaluationDirectory) -> None:
        """Write what pictures are drawn of."""


def identity(shape_id: str, category: str, split: str, status: Status, reason: str = "") -> dict[str, Any]:
    """The text columns of a row."""
    return {"shape_id": shape_id, "category": category, "split": split, "status": status, "reason": reason}
