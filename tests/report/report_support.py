"""A run directory as training and evaluation leave it, small or large, with shapes whose answers are known."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.write import write_mesh
from shapesys.metrics.aggregate import summarise
from shapesys.metrics.conventions import CONVENTIONS
from shapesys.training.history import History
from shapesys.training.run_dir import RunDirectory, create, write_json

CHAMFER, IOU = "chamfer/onet.chamfer_l1", "iou/uniform"
METRICS = (CHAMFER, f"{CHAMFER}/floor", IOU)
CONFIG = {
    "schema_version": 1, "family": "issn", "preset": "tiny", "model": {"latent_dim": 32},
    "train": {"learning_rate": 5e-4}, "data": {"store": "store"},
}  # fmt: skip


def octahedron(size: float = 1.0) -> Mesh:
    """|x| + |y| + |z| = size, six vertices."""
    vertices = size * np.vstack([np.eye(3), -np.eye(3)])
    faces = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    return Mesh(vertices, faces)


def trained_run(root: Path, name: str = "chairs", state: str = "finished", steps: int = 40) -> RunDirectory:
    """A run that has trained and was not evaluated."""
    run = create(root, name)
    write_json(run.config, CONFIG)
    run.update_status(state=state, error=None, train_seconds=83.0)
    provenance = {"created": "2026-01-02T03:04:05+0000", "command": "shapesys train issn", "data_digest": "d" * 64}
    write_json(run.provenance, {"schema": 1, "code": {"commit": "c0ffee" * 6, "patch": ""}, **provenance})
    history = History(run.history)
    for step in range(1, steps + 1):
        history.append(record(10 * step))
    return run


def record(step: int) -> dict[str, Any]:
    loss = 0.05 / step**0.4
    return {
        "step": step, "epoch": step / 4, "total_steps": 1000, "seconds": 1.0, "samples_per_second": 3e5,
        "wait_share": 0.01, "lr": {"network": 5e-4, "codes": 1e-3},
        "loss": {"total": loss, "data": 0.8 * loss, "codes": 0.2 * loss}, "statistics": {"mean_saliency": 1 - loss},
    }  # fmt: skip


def evaluated_run(
    root: Path, name: str = "chairs", meshes: Mapping[str, tuple[Mesh | None, Mesh]] | None = None, **options: Any
) -> RunDirectory:
    """A run with results on ``test``: one row per entry of `meshes`, worse from one to the next, and one failure.

    No curves by default: drawing them takes longer than all the rest.
    """
    run = trained_run(root, name, **{"steps": 0} | options)
    meshes = meshes or {f"chair/{at:04d}": (octahedron(), octahedron(1 + 0.1 * at)) for at in range(4)}
    directory = run.evaluation("test")
    rows = [row(shape_id, at) for at, shape_id in enumerate(meshes)]
    rows.append({"shape_id": "chair/broken", "category": "chair", "status": "failed", "reason": "out of memory"})
    for shape_id, (truth, reconstruction) in meshes.items():
        write_mesh(reconstruction, directory.prediction_mesh(shape_id))
        if truth is not None:
            write_mesh(truth, directory.truth_mesh(shape_id))
    pq.write_table(pa.Table.from_pylist(rows), directory.rows)
    summary = summarise(rows, METRICS).to_json()
    conventions = {CHAMFER: asdict(CONVENTIONS["onet.chamfer_l1"])}
    write_json(directory.summary, {"schema": 1, "split": "test", "conventions": conventions, **summary})
    return run


def row(shape_id: str, rank: int) -> dict[str, Any]:
    values = {CHAMFER: 0.01 * (1 + rank), f"{CHAMFER}/floor": 0.004, IOU: 0.95 - 0.1 * rank}
    return {"shape_id": shape_id, "category": shape_id.split("/")[0], "status": "ok", "reason": ""} | values


class Outline(HTMLParser):
    """Tags with their attributes, the text of scripts, and all other text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.words).append(data)


def embedded(page: str, key: str = "shapes-0-0") -> dict[str, Any]:
    found = re.search(rf'<script type="application/json" id="{key}">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


Scores = Mapping[str, float | None]
"""Shape id -> Chamfer distance; None for a shape that failed."""


def scored_run(
    root: Path,
    name: str,
    scores: Scores,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    conventions: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    step: int = 100,
) -> RunDirectory:
    """A run whose Chamfer distances on ``test`` are given, and whose IoU is one minus that.

    Args:
        changes: section of the configuration -> settings to replace in it.
        conventions: metric -> what its record says.
        settings: content of settings.json; left out where None.
    """
    run = trained_run(root, name, steps=0)
    write_json(run.config, CONFIG | {key: CONFIG[key] | dict(new) for key, new in (changes or {}).items()})
    directory = run.evaluation("test")
    directory.path.mkdir(parents=True)
    rows = [scored_row(shape, value) for shape, value in scores.items()]
    pq.write_table(pa.Table.from_pylist(rows), directory.rows)
    stated = conventions or {CHAMFER: asdict(CONVENTIONS["onet.chamfer_l1"])}
    summary = summarise(rows, METRICS).to_json() | {"checkpoint_step": step, "conventions": stated}
    write_json(directory.summary, {"schema": 1, "split": "test", **summary})
    if settings is not None:
        write_json(directory.settings, settings)
    return run


def scored_row(shape: str, value: float | None) -> dict[str, Any]:
    metrics: dict[str, float | None] = dict.fromkeys(METRICS)
    if value is not None:
        metrics = {CHAMFER: value, f"{CHAMFER}/floor": 0.004, IOU: 1 - value}
    status, reason = ("failed", "out of memory") if value is None else ("ok", "")
    return {"shape_id": shape, "category": shape.split("/")[0], "status": status, "reason": reason} | metrics
