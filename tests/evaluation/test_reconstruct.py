from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from untrained import run_of_a_ball

from shapesys.errors import ShapesysError
from shapesys.evaluation.reconstruct import observe_file, reconstruct
from shapesys.families import registry
from shapesys.fields.extraction import ExtractionSettings
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import Framing
from shapesys.geometry.surface import sample_surface
from shapesys.geometry.write import write_mesh, write_points
from shapesys.samples.store import Store
from shapesys.training.config import resolve
from shapesys.training.run_dir import RunDirectory

SHIFT, SIZE = np.array([10.0, -4.0, 2.0]), 30.0


@pytest.fixture(scope="module")
def mug(store: Path) -> Mesh:
    """A mug that the run was trained on, in a frame of its own."""
    opened = Store.open(str(store))
    found = opened.mesh(opened.shape_ids(split="train")[0])
    return Mesh(np.asarray(found.vertices, np.float64) * SIZE + SHIFT, found.faces)


def assert_fits(found: Mesh, mug: Mesh) -> None:
    """In the file's frame, about where the mug is: the run has seen little."""
    assert len(found.faces) > 50
    middle = (found.vertices.min(0) + found.vertices.max(0)) / 2
    extent = np.ptp(found.vertices, axis=0)
    expected = np.ptp(mug.vertices, axis=0)
    np.testing.assert_allclose(middle, (mug.vertices.min(0) + mug.vertices.max(0)) / 2, atol=0.25 * SIZE)
    assert 0.5 < np.linalg.norm(extent) / np.linalg.norm(expected) < 1.6


def test_a_mesh_comes_back_in_its_own_frame(trained: RunDirectory, mug: Mesh, tmp_path: Path) -> None:
    path = tmp_path / "mug.ply"
    write_mesh(mug, path)
    found = reconstruct(trained, path, resolution=24, changes={"iterations": 20}, queries=2000)
    assert found.observed == "mesh"
    assert_fits(found.mesh, mug)
    assert set(found.mesh.attributes) >= {"saliency"}
    again = reconstruct(trained, path, resolution=24, changes={"iterations": 20}, queries=2000)
    np.testing.assert_array_equal(found.mesh.vertices, again.mesh.vertices)


def test_an_oriented_cloud_is_enough(trained: RunDirectory, mug: Mesh, tmp_path: Path) -> None:
    samples = sample_surface(mug, 1500, 0)
    path = tmp_path / "scan.npy"
    np.save(path, np.concatenate([samples.points, samples.normals], axis=1))
    found = reconstruct(trained, path, resolution=24, changes={"iterations": 20})
    assert found.observed == "cloud"
    assert_fits(found.mesh, mug)


def test_a_cloud_without_normals_is_refused_with_the_way_out(trained: RunDirectory, tmp_path: Path) -> None:
    path = tmp_path / "scan.xyz"
    np.savetxt(path, np.random.default_rng(0).normal(size=(50, 3)))
    with pytest.raises(ShapesysError, match="without normals.*family 'issn'.*nx ny nz"):
        reconstruct(trained, path)


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of a sign-agnostic family that knows nothing yet but the ball it starts as."""
    return run_of_a_ball(tmp_path_factory.mktemp("runs"), radius=0.8)


def test_normals_of_a_cloud_are_used_by_a_family_that_learned_from_some(tmp_path: Path) -> None:
    run = run_of_a_ball(tmp_path, radius=0.8, family="igr")
    directions = np.random.default_rng(0).normal(size=(300, 3))
    outward = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    errors: list[float] = []
    for number, normals in enumerate((outward, -outward)):
        path = tmp_path / f"{number}.npy"
        np.save(path, np.concatenate([SHIFT + SIZE * outward, normals], axis=1))
        found = reconstruct(run, path, resolution=24, changes={"iterations": 0})
        assert found.observed == "cloud"
        errors.append(found.facts["fit_error"])
    assert errors[0] < errors[1] - 1.0, "inward normals fit a ball badly"
    np.save(path, SHIFT + SIZE * outward)
    with pytest.raises(ShapesysError, match="points without normals, which the run learned from"):
        reconstruct(run, path)


def test_points_alone_are_enough_where_the_family_needs_no_signs(ball: RunDirectory, tmp_path: Path) -> None:
    directions = np.random.default_rng(0).normal(size=(500, 3))
    path = tmp_path / "scan.ply"
    shell = SHIFT + SIZE * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    write_points(shell, {}, path)
    found = reconstruct(ball, path, resolution=24, changes={"iterations": 5})
    assert found.observed == "cloud"
    assert "saliency" not in found.mesh.attributes
    radii = np.linalg.norm(found.mesh.vertices - SHIFT, axis=1) / SIZE
    assert 0.6 < np.median(radii) < 1.1


def test_an_open_mesh_is_observed_by_unsigned_distances(ball: RunDirectory, tmp_path: Path) -> None:
    sheet = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    write_mesh(sheet, tmp_path / "sheet.ply")
    found = reconstruct(ball, tmp_path / "sheet.ply", resolution=24, changes={"iterations": 5}, queries=500)
    assert found.observed == "mesh"


def test_a_surface_that_leaves_the_box_is_capped_where_one_asks(tmp_path: Path) -> None:
    write_points(np.random.default_rng(0).normal(size=(500, 3)), {}, tmp_path / "scan.ply")
    large = run_of_a_ball(tmp_path, radius=1.3)
    for capped in (False, True):
        settings = ExtractionSettings(close_at_box=capped)
        found = reconstruct(large, tmp_path / "scan.ply", 24, {"iterations": 5}, settings=settings)
        edges = np.sort(found.mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all() == capped
        assert (found.report.cut is None) == capped


def test_a_mesh_is_sampled_as_a_cloud_of_it_would_be(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(3)
    path = tmp_path / "ball.ply"
    write_mesh(Mesh(np.asarray(sphere.vertices), np.asarray(sphere.faces)), path)
    job = resolve("sal", "single", {"data.store": "unused"})
    family = registry.load("sal")

    def distance(**changes: float) -> np.ndarray:
        inference = job.inference.override(changes)
        seen = observe_file(path, family, family.need(job.model), inference, Framing(), 4000, 0)
        return np.asarray(np.sort(seen.columns["distance"]))

    # Half of the queries are displaced by `cloud_std` and half by the distance to the k-th neighbour.
    assert np.quantile(distance(cloud_std=0.0, cloud_neighbour=4), 0.9) < 0.15
    assert np.quantile(distance(cloud_std=0.4, cloud_neighbour=4), 0.9) > 0.3
    assert np.quantile(distance(cloud_std=0.0, cloud_neighbour=400), 0.9) > 0.25
