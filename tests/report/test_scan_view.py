"""Points drawn as small solids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shapesys.geometry.components import find_components
from shapesys.geometry.write import write_points
from shapesys.report.load import Evaluation
from shapesys.report.scan_view import load_scan, octahedra
from shapesys.training.run_dir import EvaluationDirectory

POINTS = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)


def test_every_point_is_a_solid_of_its_own() -> None:
    mesh = octahedra(POINTS, {"error": np.arange(125.0)})
    assert find_components(mesh).count == 125
    assert mesh.vertices.reshape(125, 6, 3).mean(axis=1) == pytest.approx(POINTS)
    reach = np.linalg.norm(mesh.vertices.reshape(125, 6, 3) - POINTS[:, None], axis=2)
    assert reach == pytest.approx(0.62), "of the distance between neighbours, which is 1"
    outward = mesh.triangles.mean(axis=1) - np.repeat(POINTS, 8, axis=0)
    assert (np.einsum("nc,nc->n", mesh.face_normals, outward) > 0).all()
    assert mesh.attributes["error"].reshape(125, 6) == pytest.approx(np.tile(np.arange(125.0)[:, None], 6))


def test_a_single_point_is_too_little_to_draw() -> None:
    assert octahedra(POINTS[:1], {}).is_empty


def test_of_many_points_the_first_are_drawn(tmp_path: Path) -> None:
    evaluation = Evaluation("test", EvaluationDirectory(tmp_path), {}, [])
    assert load_scan(evaluation, "ball/1") is None
    write_points(POINTS, {"error": np.arange(125.0)}, evaluation.directory.scan("ball/1"))
    found = load_scan(evaluation, "ball/1", most_faces=80)
    assert found is not None
    assert len(found.faces) == 80
    assert set(found.attributes) == {"error"}
    assert found.attributes["error"].max() == 9
    evaluation.directory.scan("ball/1").write_bytes(b"ply\nnonsense")
    assert load_scan(evaluation, "ball/1") is None
