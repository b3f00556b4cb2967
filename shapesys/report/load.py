"""Read what a run directory holds, whatever of it exists: a run that has only trained has no evaluation yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from shapesys.errors import ShapesysError
from shapesys.evaluation.row_log import (
    AREA_SHARE,
    COMPONENTS,
    LOSS_FLOOR,
    NO_METRICS,
    PREDICTED_CLASS,
    PROBABILITY,
)
from shapesys.geometry.mesh import Floats, Ints, Mesh
from shapesys.training import history
from shapesys.training.run_dir import EvaluationDirectory, RunDirectory, read_json

Row = dict[str, Any]
_SHOWN_FACTS = (PREDICTED_CLASS, PROBABILITY, COMPONENTS, AREA_SHARE, LOSS_FLOOR)


@dataclass(frozen=True)
class Setting:
    """A setting that differs from the run's preset."""

    path: str
    preset: Any
    value: Any


@dataclass(frozen=True)
class Evaluation:
    """Results of one split.

    Attributes:
        summary: summary.json: conventions, counts, statistics by category and overall.
        rows: one dict per shape: shape_id, category, status, reason, metrics by name.
        settings: settings.json: what the numbers depend on; empty where it was not written.
    """

    split: str
    directory: EvaluationDirectory
    summary: dict[str, Any]
    rows: list[Row]
    settings: dict[str, Any] = field(default_factory=dict)

    def with_status(self, *statuses: str) -> list[Row]:
        return [row for row in self.rows if row.get("status") in statuses]


@dataclass(frozen=True)
class RunReport:
    """A run as it lies on disk; what is missing is empty."""

    run: RunDirectory
    config: dict[str, Any] = field(default_factory=dict)
    changed: list[Setting] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    history: list[history.Record] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)


def load_run(run: RunDirectory) -> RunReport:
    """Everything the page shows of a run.

    Raises:
        ShapesysError: a file is broken (not merely missing), or the run directory does not exist.
    """
    if not run.path.is_dir():
        raise ShapesysError(f"{run.path} does not exist; give the name or the path of a run")
    return RunReport(
        run=run,
        config=_optional(run.config),
        changed=_changed_settings(run),
        status=_optional(run.status),
        provenance=_optional(run.provenance),
        history=history.read(run.history),
        evaluations=[load_evaluation(run, split) for split in run.evaluations()],
    )


def load_evaluation(run: RunDirectory, split: str) -> Evaluation:
    """Summary and rows of one split; no rows where the table is missing."""
    directory = run.evaluation(split)
    rows = _rows(directory.rows) if directory.rows.is_file() else []
    return Evaluation(split, directory, read_json(directory.summary), rows, _optional(directory.settings))


def _rows(path: Path) -> list[Row]:
    """The columns that pages show; of hundreds of thousands of shapes, every column costs."""
    names = pq.read_schema(path).names
    shown = [name for name in names if name in _SHOWN_FACTS or not name.startswith(NO_METRICS)]
    rows: list[Row] = pq.read_table(path, columns=shown).to_pylist()
    return rows


def load_truth(evaluation: Evaluation, shape_id: str) -> Mesh | None:
    """Ground truth of a shape; None where it was not written or cannot be read."""
    return _mesh(evaluation.directory.truth_mesh(shape_id))


def load_prediction(evaluation: Evaluation, shape_id: str) -> Mesh | None:
    """Reconstruction of a shape; None where it was not written or cannot be read."""
    return _mesh(evaluation.directory.prediction_mesh(shape_id))


@dataclass(frozen=True)
class KeptCloud:
    """A shape's observed points (n, 3) and, where parts were predicted, their predicted and true numbers (n,)."""

    points: Floats
    predicted: Ints | None
    true: Ints | None


def load_cloud(evaluation: Evaluation, shape_id: str) -> KeptCloud | None:
    """The labelled cloud of a shape; None where it was not written or cannot be read."""
    from shapesys.geometry.io import parse_geometry, read_bytes

    path = evaluation.directory.cloud(shape_id)
    try:
        geometry = parse_geometry(read_bytes(path), path.name)
    except ShapesysError:
        return None
    labels = [geometry.attributes.get(name) for name in ("label", "truth")]
    predicted, true = (None if column is None else column.astype(np.int64) for column in labels)
    return KeptCloud(np.asarray(geometry.vertices, np.float64), predicted, true)


def _mesh(path: Any) -> Mesh | None:
    from shapesys.geometry.io import read_mesh

    try:
        return read_mesh(path) if path.is_file() else None
    except ShapesysError:
        return None


def _optional(path: Any) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _changed_settings(run: RunDirectory) -> list[Setting]:
    """Settings that differ from the preset; none where this version does not know the configuration any more."""
    from shapesys.config.base import flat
    from shapesys.training.config import changed_from_preset, load_job, resolve

    if not run.config.is_file():
        return []
    try:
        job = load_job(run.config)
        plain = flat(resolve(job.family, job.preset, {"data.store": job.data.store}))
        return [Setting(path, plain.get(path), value) for path, value in sorted(changed_from_preset(job).items())]
    except ShapesysError:
        return []
