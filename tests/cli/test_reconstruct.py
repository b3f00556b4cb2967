"""`shapesys reconstruct` on a field whose surface and saliency are known: inference is replaced, all else is real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from cli_support import invoke

from shapesys.families import registry
from shapesys.families.base import FieldPrediction, Observation
from shapesys.fields.analytic import Sphere, WithAttribute
from shapesys.geometry.io import read_mesh
from shapesys.geometry.normalise import UNIT_SPHERE_MARGIN
from shapesys.geometry.points import read_points

CENTRE, RADIUS = np.array([700_000.0, 20.0, 3.0]), 4.0


def saliency(points: np.ndarray) -> np.ndarray:
    """0.5 on the plane z = 0 of the normalised frame, more above."""
    return 0.5 + 0.4 * points[:, 2]


def infer(objective: Any, observations: Sequence[Observation], config: Any, seed: int) -> list[FieldPrediction]:
    ball = WithAttribute(Sphere(1.0 / UNIT_SPHERE_MARGIN), "saliency", saliency)
    return [FieldPrediction(item.shape_id, ball, {"fit_error": 0.0}) for item in observations]


@pytest.fixture
def known_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    family = replace(registry.load("issn"), infer=infer)
    monkeypatch.setattr("shapesys.evaluation.reconstruct.registry.load", lambda name: family)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """2,000 points of a sphere far from the origin of its frame, with normals."""
    normals = np.random.default_rng(0).standard_normal((2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # The two poles of every axis fix the frame.
    normals[:6] = np.concatenate([np.eye(3), -np.eye(3)])
    path = tmp_path / "scan.npy"
    np.save(path, np.concatenate([CENTRE + RADIUS * normals, normals], axis=1))
    return path


def data_of(*words: object) -> dict[str, Any]:
    result = invoke("reconstruct", *words, "--resolution", 32, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.usefixtures("known_surface")
def test_parts_by_threshold_are_two_meshes_that_make_up_the_whole(trained: Path, scan: Path, tmp_path: Path) -> None:
    found = data_of(trained, scan, "-o", tmp_path / "own.glb", "--salient-threshold", 0.55)
    salient, instance = tmp_path / "own.salient.glb", tmp_path / "own.instance.glb"
    assert (found["salient"], found["instance"]) == (str(salient), str(instance))
    whole, high, low = (read_mesh(path) for path in (tmp_path / "own.glb", salient, instance))
    assert high.attributes["saliency"].min() == pytest.approx(0.55, abs=1e-6)
    assert low.attributes["saliency"].max() == pytest.approx(0.55, abs=1e-6)
    areas = [mesh.face_areas.sum() for mesh in (high, low, whole)]
    assert areas[0] + areas[1] == pytest.approx(areas[2], rel=1e-4)
    assert 0 < areas[0] < areas[1]
    top = trimesh.load_mesh(salient, process=False).visual.vertex_colors[:, :3]
    bottom = trimesh.load_mesh(instance, process=False).visual.vertex_colors[:, :3]
    assert np.abs(top.astype(int).max(axis=0) - bottom.astype(int).max(axis=0)).max() > 50, "one scale for both"


@pytest.mark.usefixtures("known_surface")
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_parts_by_quantile_have_their_share_of_the_area(
    trained: Path, scan: Path, tmp_path: Path, share: float
) -> None:
    found = data_of(trained, scan, "-o", tmp_path / "own.glb", "--salient-quantile", share)
    high, low = (read_mesh(tmp_path / f"own.{part}.glb") for part in ("salient", "instance"))
    areas = [float(part.face_areas.sum()) for part in (high, low)]
    assert areas[1] / sum(areas) == pytest.approx(share, abs=1e-3)
    # Archimedes: of a sphere's area, the share below a height grows evenly from pole to pole.
    height = (2 * share - 1) / UNIT_SPHERE_MARGIN
    assert found["salient_threshold"] == pytest.approx(0.5 + 0.4 * height, abs=3e-3)
    assert low.attributes["saliency"].max() == pytest.approx(found["salient_threshold"], abs=1e-6)


def test_a_threshold_and_a_quantile_exclude_each_other(trained: Path, scan: Path) -> None:
    result = invoke("reconstruct", trained, scan, "--salient-threshold", 0.5, "--salient-quantile", 0.5)
    assert result.exit_code == 2
    assert "give one of them" in result.stderr


@pytest.mark.usefixtures("known_surface")
def test_a_part_without_faces_is_not_written_and_an_older_one_goes(trained: Path, scan: Path, tmp_path: Path) -> None:
    stale = tmp_path / "own.salient.glb"
    stale.write_bytes(b"of another threshold")
    found = data_of(trained, scan, "-o", tmp_path / "own.glb", "--salient-threshold", 0.99)
    assert found["salient"] is None
    assert not stale.exists()
    assert len(read_mesh(tmp_path / "own.instance.glb").faces) == found["faces"]


@pytest.mark.usefixtures("known_surface")
def test_every_point_of_a_cloud_gets_its_saliency(trained: Path, scan: Path, tmp_path: Path) -> None:
    found = data_of(trained, scan, "-o", tmp_path / "own.ply", "--points", scan)
    assert found["points"] == str(tmp_path / "own.points.ply")
    given = np.load(scan)[:, :3]
    read = trimesh.load(tmp_path / "own.points.ply")
    np.testing.assert_array_equal(read_points(tmp_path / "own.points.ply")[0], given)
    expected = saliency((given - CENTRE) / (RADIUS * UNIT_SPHERE_MARGIN))
    stored = read.metadata["_ply_raw"]["vertex"]["data"]["saliency"]
    np.testing.assert_allclose(stored, expected, atol=1e-6)
    brightness = read.colors[:, :3].astype(int).sum(axis=1)
    assert brightness[expected.argmax()] > brightness[expected.argmin()]


@pytest.mark.usefixtures("known_surface")
def test_an_obj_without_faces_is_a_cloud(trained: Path, scan: Path, tmp_path: Path) -> None:
    rows = np.load(scan)
    lines = [f"v {x} {y} {z}" for x, y, z in rows[:, :3]] + [f"vn {x} {y} {z}" for x, y, z in rows[:, 3:]]
    (tmp_path / "scan.obj").write_text("\n".join(lines))
    assert data_of(trained, tmp_path / "scan.obj", "-o", tmp_path / "own.glb")["observed"] == "cloud"


def test_a_wrong_ending_or_cloud_is_named_before_the_work(trained: Path, scan: Path, tmp_path: Path) -> None:
    wrong = invoke("reconstruct", trained, scan, "-o", tmp_path / "own.fbx")
    assert wrong.exit_code == 2
    assert "own.fbx" in wrong.stderr
    (tmp_path / "notes.md").write_text("no points")
    wrong = invoke("reconstruct", trained, scan, "--points", tmp_path / "notes.md")
    assert wrong.exit_code == 1
    assert "not an accepted point format" in wrong.stderr


@pytest.mark.usefixtures("known_surface")
def test_families_without_saliency_have_no_salient_part(
    trained: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(
        registry.load("issn"),
        infer=lambda objective, observations, config, seed: [
            FieldPrediction(item.shape_id, Sphere(0.9)) for item in observations
        ],
    )
    monkeypatch.setattr("shapesys.evaluation.reconstruct.registry.load", lambda name: bare)
    words = ["reconstruct", trained, scan, "-o", tmp_path / "own.glb", "--resolution", 32]
    for flag in ("--salient-threshold", "--salient-quantile"):
        result = invoke(*words, flag, 0.5)
        assert result.exit_code == 1
        assert f"leave out {flag}" in result.stderr


@pytest.mark.usefixtures("known_surface")
def test_a_file_that_stands_otherwise_in_another_unit_comes_back_in_its_own(trained: Path, scan: Path) -> None:
    words = ["reconstruct", trained, scan, "--up", "z", "--unit", RADIUS, "--resolution", 32, "--json"]
    result = invoke(*words, "-o", scan.parent / "own.glb")
    assert result.exit_code == 0, result.output
    vertices = read_mesh(Path(json.loads(result.output)["mesh"])).vertices
    # The known ball fills 1 / 1.03 of the unit; positions of a GLB are in single precision.
    np.testing.assert_allclose(vertices.min(axis=0), CENTRE - RADIUS / UNIT_SPHERE_MARGIN, atol=0.15)
    np.testing.assert_allclose(vertices.max(axis=0), CENTRE + RADIUS / UNIT_SPHERE_MARGIN, atol=0.15)


@pytest.mark.usefixtures("known_surface")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--unit", "0"], "the unit is 0; give the length in the file that becomes 1, above 0"),
        (["--up", "w"], "'w' is not one of 'x', 'y', 'z'"),
        (["--inference", "iterations"], "--inference 'iterations' has no value; write NAME=VALUE"),
        (["--inference", "iteration=3"], "iterations"),
        (["--workers", "2"], "--workers is for runs that see scenes window by window, and"),
    ],
)
def test_flags_that_do_not_fit_are_explained(trained: Path, scan: Path, words: list[str], told: str) -> None:
    result = invoke("reconstruct", trained, scan, "-o", scan.parent / "own.glb", "--resolution", 16, *words)
    assert result.exit_code in (1, 2)
    assert told in " ".join(result.output.split())
