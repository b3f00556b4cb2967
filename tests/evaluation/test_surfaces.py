from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapesysError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.surfaces import Truth, measure
from shapesys.families.base import FieldPrediction
from shapesys.fields.analytic import Sphere
from shapesys.geometry.mesh import Floats, Mesh
from shapesys.geometry.normalise import Normalisation
from shapesys.geometry.plane import Plane

SETTINGS = EvaluateConfig(resolution=48, samples=4000, saliency_points=200)
RADIUS = 0.6


@pytest.fixture(scope="module")
def truth() -> Truth:
    """A sphere of radius 0.6 that knows everything of itself."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=RADIUS)
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.7, 0.7, (4000, 3)).astype(np.float32)
    cloud = rng.normal(size=(300, 3))
    cloud = (RADIUS * cloud / np.linalg.norm(cloud, axis=1, keepdims=True)).astype(np.float32)
    return Truth(
        category="ball",
        split="test",
        mesh=Mesh(np.asarray(ball.vertices, np.float64), np.asarray(ball.faces, np.int64)),
        normalisation=Normalisation((0.0, 0.0, 0.0), 1.0),
        cloud=cloud,
        symmetry=lambda: Plane((1.0, 0.0, 0.0)),
        occupancy=(points, np.linalg.norm(points, axis=1) < RADIUS),
    )


@dataclass(frozen=True)
class Painted(Sphere):
    """A sphere whose saliency is its height."""

    def attributes(self, points: Floats) -> Mapping[str, Floats]:
        return {"saliency": points[:, 2]}


def test_the_right_field_scores_as_well_as_the_truth_against_itself(truth: Truth) -> None:
    measured = measure(FieldPrediction("ball/1", Sphere(RADIUS)), truth, SETTINGS)
    row = measured.row
    assert (row["shape_id"], row["category"], row["split"]) == ("ball/1", "ball", "test")
    assert (row["status"], row["reason"]) == ("ok", "")
    chamfers = [name for name in row if name.startswith("chamfer/") and f"{name}/floor" in row]
    assert len(chamfers) == len(SETTINGS.chamfer)
    for name in chamfers:
        assert row[name] == pytest.approx(row[f"{name}/floor"], rel=0.15), name
    assert row[next(name for name in row if name.startswith("normal_consistency/"))] > 0.99
    assert row[next(name for name in row if name.startswith("iou"))] == 1.0
    assert "error" in measured.prediction.attributes
    assert measured.prediction.attributes["error"].mean() < 0.02
    for mesh in (measured.prediction, measured.truth):
        assert mesh.attributes["error"].shape == (len(mesh.vertices),)


def test_a_wrong_radius_shows_in_every_score(truth: Truth) -> None:
    gap = 0.1
    row = measure(FieldPrediction("ball/1", Sphere(RADIUS - gap)), truth, SETTINGS).row
    volume_ratio = ((RADIUS - gap) / RADIUS) ** 3
    assert row[next(name for name in row if name.startswith("iou"))] == pytest.approx(volume_ratio, abs=0.05)
    assert row["chamfer/onet.chamfer_l1"] > 3 * row["chamfer/onet.chamfer_l1/floor"]
    strict = min((name for name in row if name.startswith("fscore/") and not name.endswith("floor")), key=str)
    assert row[strict] < 0.1


def test_an_empty_field_has_a_row_that_says_why(truth: Truth) -> None:
    measured = measure(FieldPrediction("ball/1", Sphere(radius=-1.0)), truth, SETTINGS)
    assert measured.row["status"] == "empty"
    assert measured.row["reason"]
    assert measured.row[next(name for name in measured.row if name.startswith("iou"))] == 0.0
    assert measured.prediction.is_empty
    assert not measured.truth.is_empty


def test_saliency_scores_come_with_a_field_that_has_saliency(truth: Truth) -> None:
    plain = measure(FieldPrediction("ball/1", Sphere(RADIUS)), truth, SETTINGS).row
    painted = measure(FieldPrediction("ball/1", Painted(RADIUS), {"loss": 0.5}), truth, SETTINGS)
    added = {name for name in painted.row if name not in plain}
    assert any("ssr" in name for name in added)
    assert any("d_sym" in name for name in added)
    assert painted.row["fact/loss"] == 0.5
    assert "saliency" in painted.truth.attributes
    np.testing.assert_allclose(painted.prediction.attributes["saliency"], painted.prediction.vertices[:, 2], atol=0.03)


def test_more_saliency_points_than_the_cloud_holds_are_refused(truth: Truth) -> None:
    with pytest.raises(ShapesysError, match="saliency_points = 301 exceeds the 300 points"):
        measure(FieldPrediction("ball/1", Sphere(RADIUS)), truth, SETTINGS.override({"saliency_points": 301}))
