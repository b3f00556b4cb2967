"""What travels with a score: its definition, its samples, its unit of length and its floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ok", "empty", "failed", "missing", "not_applicable"]
"""``empty``: there is a prediction but no surface in it; ``failed``: inference or evaluation broke; ``missing``:
no row at all; ``not_applicable``: the metric has no meaning for this shape."""


@dataclass(frozen=True)
class MetricRecord:
    """One score of one shape, with everything needed to repeat it.

    Attributes:
        name: the column that holds the value, e.g. ``chamfer/onet.chamfer_l1``.
        value: the score.
        floor: the same score of the ground truth against a second sampling of itself; None where not measured.
        definition: fields of the convention: squared, combination, multiplier, threshold and strictness, and so on.
        count_predicted: samples on the prediction.
        count_true: samples on the ground truth.
        sampling: ``independent`` or ``stratified`` (whose floor is about 10 % lower), or ``as_given``.
        seed: the seed that drew them.
        frame: name of the unit of length.
        unit: length, in the coordinates evaluated, of one unit of that frame (the side length of a unit cube).
    """

    name: str
    value: float
    floor: float | None = None
    definition: Mapping[str, Any] = field(default_factory=dict)
    count_predicted: int = 0
    count_true: int = 0
    sampling: str = "as_given"
    seed: int | None = None
    frame: str = "as_given"
    unit: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return asdict(self)


@dataclass(frozen=True)
class SetScore:
    """One number of all shapes together, where it is more than the mean of a column.

    Attributes:
        name: ``metric/convention``, as of a `MetricRecord`.
        value: the number.
        label: what papers call it.
        definition: how it is made.
    """

    name: str
    value: float
    label: str
    definition: str

    def to_json(self) -> dict[str, Any]:
        """Plain values only, without the name."""
        return {"value": self.value, "label": self.label, "definition": self.definition}


@dataclass(frozen=True)
class Scores:
    """All scores of one shape from one group of metrics.

    Attributes:
        status: how the shape fared.
        reason: one line where the status is not ``ok``.
        records: one per score.
    """

    status: Status
    records: tuple[MetricRecord, ...]
    reason: str = ""

    @property
    def values(self) -> dict[str, float]:
        """Column name -> value, with floors as ``<name>/floor``; names are valid for MLflow."""
        columns: dict[str, float] = {}
        for record in self.records:
            columns[record.name] = record.value
            if record.floor is not None:
                columns[f"{record.name}/floor"] = record.floor
        return columns
