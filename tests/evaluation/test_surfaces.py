from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
import trimesh

from shapesys.errors import ShapesysError, UsageError
from shapesys.evaluation.config import EvaluateConfig
from shapesys.evaluation.surfaces import Truth, check, measure
from shapesys.families.base import FieldPrediction
from shapesys.fields.analytic import Occupancy, Sphere, Union
from shapesys.fields.mesh_field import MeshField
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


def test_floaters_are_told_either_way_and_left_out_where_asked(truth: Truth) -> None:
    floater = Sphere(0.15, (0.8, 0.0, 0.0))
    field = FieldPrediction("ball/1", Union(parts=(Sphere(RADIUS), floater)))
    dense = SETTINGS.override({"samples": 40_000})
    alone = measure(FieldPrediction("ball/1", Sphere(RADIUS)), truth, dense).row
    both = measure(field, truth, dense)
    kept = measure(field, truth, dense.override({"largest_component": True}))
    for found in (both, kept):
        assert found.row["fact/components"] == 2
        assert found.row["fact/largest_area_share"] == pytest.approx(RADIUS**2 / (RADIUS**2 + 0.15**2), rel=0.01)
    assert (alone["fact/components"], alone["fact/largest_area_share"]) == (1, 1)
    near = "precision/le0.05:unit_sphere"
    assert both.row[near] == pytest.approx(both.row["fact/largest_area_share"], abs=0.01), "the floater is spurious"
    assert kept.row[near] == 1.0
    assert kept.row["chamfer/onet.chamfer_l1"] == pytest.approx(alone["chamfer/onet.chamfer_l1"], rel=0.05)
    assert both.prediction.vertices[:, 0].max() > 0.9 > kept.prediction.vertices[:, 0].max()


def test_an_empty_surface_has_no_components(truth: Truth) -> None:
    row = measure(FieldPrediction("ball/1", Sphere(radius=-1.0)), truth, SETTINGS).row
    assert row["fact/components"] == 0
    assert "fact/largest_area_share" not in row


def test_the_gradient_is_of_the_field_and_not_of_its_surface(truth: Truth) -> None:
    """A field that is too steep has the right surface all the same."""
    steep = Occupancy(Sphere(RADIUS), width=0.1)
    right, occupancy = (measure(FieldPrediction("ball/1", f), truth, SETTINGS).row for f in (Sphere(RADIUS), steep))
    assert right["gradient_error/sald"] < 0.02
    assert right["gradient_error/angle"] < 1.0
    assert occupancy["gradient_error/angle"] < 1.5
    assert "gradient_error/sald" not in occupancy, "the values are no distances"
    without = measure(FieldPrediction("ball/1", steep), truth, SETTINGS.override({"gradient_points": 0})).row
    assert not any(name.startswith("gradient_error") for name in without)


def test_conventions_against_the_scan_are_measured_where_named(truth: Truth) -> None:
    field = FieldPrediction("ball/1", Sphere(RADIUS - 0.1))
    plain = measure(field, truth, SETTINGS).row
    named = measure(field, truth, SETTINGS.override({"chamfer": ("sal", "sal.to_scan", "sald.scan_to_recon")})).row
    assert not any("scan" in name for name in plain)
    assert named["chamfer/sald.scan_to_recon"] == pytest.approx(0.1, rel=0.03)
    assert named["chamfer/sal.to_scan"] < named["chamfer/sal"]
    assert named["hausdorff/unit_sphere.scan_to_recon"] > 0


def test_a_bare_scan_is_measured_against_its_points_alone(truth: Truth) -> None:
    bare = replace(truth, mesh=None, occupancy=None)
    measured = measure(FieldPrediction("ball/1", Sphere(RADIUS - 0.1)), bare, SETTINGS)
    metrics = [name for name in measured.row if "/" in name and not name.startswith(("cost/", "fact/"))]
    assert metrics == [
        "chamfer/sald.recon_to_scan", "chamfer/sald.scan_to_recon",
        "hausdorff/unit_sphere.recon_to_scan", "hausdorff/unit_sphere.scan_to_recon",
    ]  # fmt: skip
    assert measured.row["chamfer/sald.scan_to_recon"] == pytest.approx(0.1, rel=0.03)
    assert measured.truth is None
    assert measured.scan is not None
    assert measured.scan.attributes["error"] == pytest.approx(0.1, abs=0.01)
    assert measured.prediction.attributes["error"].min() > 0.09
    empty = measure(FieldPrediction("ball/1", Sphere(-1.0)), bare, SETTINGS)
    assert empty.row["status"] == "empty"
    assert empty.scan is not None


def test_samples_of_a_solid_are_measured_by_their_inside_too(truth: Truth) -> None:
    points = np.random.default_rng(1).uniform(-1.1 * RADIUS, 1.1 * RADIUS, (4000, 3)).astype(np.float32)
    distance = np.linalg.norm(points, axis=1)
    solid = replace(truth, mesh=None, occupancy=(points, distance < RADIUS), given_by="occnet")
    measured = measure(FieldPrediction("ball/1", Sphere(RADIUS - 0.1)), solid, SETTINGS)
    expected = (distance < RADIUS - 0.1).sum() / (distance < RADIUS).sum()
    assert measured.row["iou/uniform_box"] == pytest.approx(expected)
    [record] = [record for record in measured.records if record.name == "iou/uniform_box"]
    assert record.definition["given_by"] == "occnet"
    assert measured.row["chamfer/sald.scan_to_recon"] == pytest.approx(0.1, rel=0.03)
    assert not any(name.startswith(("chamfer/onet", "fscore/", "gradient")) for name in measured.row)


def test_fewer_points_than_saliency_takes_harm_no_field_without(truth: Truth) -> None:
    few = replace(truth, cloud=truth.cloud[:50])
    assert measure(FieldPrediction("ball/1", Sphere(RADIUS)), few, SETTINGS).row["status"] == "ok"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scan_chamfer": ("sald.recon_to_truth",)}, "against the true surface, which a bare scan lacks"),
        ({"scan_chamfer": ("sal.to_scam",)}, "did you mean sal.to_scan"),
        ({"normals": ("sined",)}, "did you mean signed"),
        ({"gradient_step": 0.2}, "at most the standard deviation"),
    ],
)
def test_what_no_shape_could_be_measured_by_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check(SETTINGS.override(changes))


def test_samples_may_be_those_of_every_evaluator(truth: Truth) -> None:
    own = EvaluateConfig.model_validate_json(
        SETTINGS.override({"samples": None, "chamfer": ("sal",)}).model_dump_json()
    )
    records = {r.name: r for r in measure(FieldPrediction("ball/1", Sphere(RADIUS)), truth, own).records}
    assert records["chamfer/sal"].count_predicted == 30_000
    assert records["hausdorff/unit_sphere"].count_predicted == 100_000


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
        measure(FieldPrediction("ball/1", Painted(RADIUS)), truth, SETTINGS.override({"saliency_points": 301}))


def test_a_room_is_measured_by_what_is_seen_of_it_in_units_of_all_of_it() -> None:
    """Its walls are found too thick, which nobody could know: their outside does not count."""

    def room_of(side: float) -> Mesh:
        """Walls and ground about a space of side 0.9, and what is outside of them, which is labelled 1."""
        outer, inner = trimesh.creation.box((side,) * 3), trimesh.creation.box((0.9,) * 3)
        inner.invert()
        both = trimesh.util.concatenate([outer, inner])
        is_ceiling = (np.abs(both.face_normals[:, 1]) > 0.5) & (both.triangles_center[:, 1] > 0.0)
        labels = np.repeat(np.array([1, 0], np.int32), 12)
        return Mesh(np.asarray(both.vertices), np.asarray(both.faces)[~is_ceiling], face_labels=labels[~is_ceiling])

    mesh, predicted = room_of(1.0), FieldPrediction("room/1", MeshField(room_of(1.1)))
    cloud = mesh.vertices.astype(np.float32)
    room = Truth("room", "test", mesh, Normalisation((0.0, 0.0, 0.0), 1.0), cloud, lambda: None, None, unseen=1)
    settings = SETTINGS.model_copy(update={"samples": 40_000})
    whole, seen = (
        measure(predicted, room, settings.model_copy(update={"remove_walls": removed})) for removed in (False, True)
    )
    assert whole.row["precision/le0.02:unit_cube"] < 0.6
    assert seen.row["precision/le0.02:unit_cube"] > 0.999
    assert seen.row["recall/le0.02:unit_cube"] > 0.999
    for measured in (whole, seen):
        units = {record.name: record.unit for record in measured.records}
        assert units["chamfer/onet.chamfer_l1"] == pytest.approx(1.0)
