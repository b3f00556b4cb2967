"""Shapes in other frames than the unit sphere, and the settings that published samplers take of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from given_source import Given, prepared, queries_of
from trap_source import SMALL, TrapSource

from shapesys.errors import ShapeRejected, UsageError
from shapesys.geometry.cloud import Cloud
from shapesys.geometry.distance import MeshDistance
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import FRAMES, FrameName, Framing, surface_mean
from shapesys.geometry.scan import Scan
from shapesys.samples.manifest import Manifest
from shapesys.samples.prepare import prepare_locally
from shapesys.samples.settings import PRESETS, PrepareConfig, preset
from shapesys.samples.store import Store
from shapesys.sources.base import Plane, ShapeRef
from shapesys.sources.image import AnnotatedImage
from shapesys.sources.registry import build_source

FEW = {"udf.count": 2000, "udf.chunk": 500, "udf.neighbour": 5, "cloud.points": 200}
UDF = PrepareConfig().override({"views": ("udf", "cloud", "meshes"), **FEW})
PLACE = np.array([0.4, 1.0, -2.0])


def person() -> Mesh:
    """A capsule of 1.8 m with an arm, standing 2 m from its scanner's origin."""
    body, arm = trimesh.creation.capsule(1.4, 0.2), trimesh.creation.icosphere(2, 0.1)
    arm.apply_translation([0.5, 0.0, 0.9])
    both = trimesh.util.concatenate([body, arm])
    return Mesh(np.asarray(both.vertices) + PLACE, np.asarray(both.faces))


def scan_of(mesh: Mesh, noise: float = 0.01, seed: int = 0) -> Scan:
    """The half of the vertices that faces the viewer, with noise."""
    seen = mesh.vertices[mesh.vertices[:, 1] > np.median(mesh.vertices[:, 1])]
    return Scan(Cloud(seen + noise * np.random.default_rng(seed).standard_normal(seen.shape)), mesh)


def vertices_of(shape: Any, name: FrameName) -> np.ndarray:
    found: np.ndarray = prepared(shape, UDF.override({"frame": name})).samples["meshes"][0]["vertices"]
    return found


def test_digests_of_settings_are_those_of_stores_from_before_there_were_frames() -> None:
    """Such stores are completed by the commands that began them."""
    of_scans = {"views": ("udf", "cloud", "meshes")}
    before = {
        "paper": ("e177fa23de5f30c4", "e4a25fcf5077a5a2", "731eb1ec3b04752f"),
        "tiny": ("70755bf00a1db74b", "6c33ea566cfc4a6e", "549ec95f4dc29003"),
    }
    for name, digests in before.items():
        changed = (PRESETS[name].override(changes) for changes in ({}, of_scans, {"margin": 1.1}))
        assert tuple(settings.digest()[:16] for settings in changed) == digests


def test_only_what_is_not_usual_is_recorded(trap_source: TrapSource, tmp_path: Path) -> None:
    usual, other = UDF.recorded(), UDF.override({"frame": "mean", "udf.to": "points"}).recorded()
    assert "frame" not in usual
    assert "to" not in usual["udf"]
    assert usual["margin"] == 1.03
    assert (other["frame"], other["udf"]["to"]) == ("mean", "points")
    assert "margin" not in other
    settings = SMALL.override({"views": ("udf", "meshes"), "frame": "mean", **FEW})
    prepare_locally(trap_source, str(tmp_path / "store"), settings, isolate=False)
    store = Store.open(str(tmp_path / "store"))
    assert Manifest.load(store.folder).settings == settings.recorded()
    assert store.framing == Framing("mean")
    assert prepare_locally(trap_source, store.url, settings, isolate=False).kept == 6
    with pytest.raises(UsageError, match="frame: 'mean' in the store, 'as_given' now"):
        prepare_locally(trap_source, store.url, settings.override({"frame": "as_given"}), isolate=False)


def test_a_margin_belongs_to_the_sphere() -> None:
    assert PrepareConfig(margin=1.2).framing == Framing("unit_sphere", 1.2)
    with pytest.raises(
        UsageError, match="'margin': only the frame unit_sphere has a margin; leave it out of frame mean"
    ):
        PRESETS["sal"].override({"margin": 1.2})


@pytest.mark.parametrize("gives", [Mesh, Scan])
@pytest.mark.parametrize("views", [(), ("sdf", "udf")])
def test_signed_queries_fill_the_unit_sphere_alone(gives: type, views: tuple[str, ...]) -> None:
    told = "'sdf' is made in the frame unit_sphere alone.*--views meshes udf inside occupancy"
    with pytest.raises(UsageError, match=told):
        PrepareConfig(views=views, frame="mean").of_what(gives)
    PrepareConfig(frame="mean").of_what(Cloud)


def test_images_lie_in_no_frame() -> None:
    with pytest.raises(UsageError, match="an image lies in no frame"):
        preset("sal", AnnotatedImage).of_what(AnnotatedImage)


def test_presets_leave_out_views_that_a_source_cannot_give() -> None:
    assert preset("sal", Mesh).views == preset("sal").views == ("meshes", "udf", "cloud")
    assert preset("sal", Cloud).views == ("udf", "cloud")
    assert preset("paper", Cloud) == PRESETS["paper"]
    with pytest.raises(UsageError, match="unknown sampler preset 'sall'; did you mean sal"):
        preset("sall")


def test_presets_are_the_released_samplers() -> None:
    told = {
        name: (chosen.frame, chosen.udf.count, chosen.udf.neighbour, chosen.udf.global_std, chosen.udf.to)
        for name, chosen in PRESETS.items()
    }
    assert told["sal"] == ("mean", 500_000, 50, 0.2, "triangles")
    assert told["sald"] == ("as_given", 500_000, 10, 0.3, "triangles")
    assert told["single"] == ("mean_unit_cube", 500_000, 50, 1.0, "points")


def test_sal_keeps_metres_about_the_mean() -> None:
    mesh = person()
    found = prepared(mesh, PRESETS["sal"].override(FEW))
    vertices = found.samples["meshes"][0]["vertices"]
    assert found.shape["scale"] == 1.0
    np.testing.assert_allclose(found.shape["centre"], surface_mean(mesh), atol=1e-9)
    np.testing.assert_allclose(vertices, mesh.vertices - surface_mean(mesh), atol=1e-6)
    assert np.abs(vertices).max() > 0.85


def test_sald_leaves_a_scan_where_it_is() -> None:
    """Standing outside the unit box, which its queries surround by a global width in metres."""
    mesh = person()
    found = prepared(mesh, PRESETS["sald"].override(FEW))
    np.testing.assert_allclose(found.samples["meshes"][0]["vertices"], mesh.vertices, atol=1e-6)
    queries = queries_of(found)
    np.testing.assert_allclose(queries["points"].mean(axis=0), surface_mean(mesh), atol=0.05)
    moved = np.linalg.norm(queries["points"] - queries["surface"], axis=1)
    assert np.sqrt(np.square(moved).mean()) == pytest.approx(0.3 * np.sqrt(3 / 2), rel=0.1)


def test_a_single_shape_fits_the_cube_and_is_measured_to_its_points() -> None:
    found = prepared(person(), PRESETS["single"].override(FEW))
    mesh = Mesh(found.samples["meshes"][0]["vertices"], found.samples["meshes"][0]["faces"])
    np.testing.assert_allclose(surface_mean(mesh), 0.0, atol=1e-6)
    assert np.abs(mesh.vertices).max() == pytest.approx(1.0)
    queries = queries_of(found)
    drawn = np.unique(queries["surface"], axis=0)
    assert len(drawn) == 1000
    away = queries["points"][:, None].astype(np.float64) - drawn
    np.testing.assert_allclose(queries["distance"], np.linalg.norm(away, axis=2).min(axis=1), atol=1e-5)
    to_triangles = MeshDistance(mesh).closest(queries["points"]).distance
    assert (queries["distance"] >= to_triangles - 1e-5).all()
    assert (queries["distance"] > to_triangles + 1e-3).mean() > 0.3
    closest = drawn[np.linalg.norm(away, axis=2).argmin(axis=1)]
    towards = (queries["points"] - closest) / queries["distance"][:, None]
    np.testing.assert_allclose(queries["direction"], towards, atol=1e-3)


def test_where_distances_are_to_moves_no_query() -> None:
    to = {name: queries_of(prepared(person(), UDF.override({"udf.to": name}))) for name in ("triangles", "points")}
    for column in ("points", "surface", "normals", "spread"):
        np.testing.assert_array_equal(to["triangles"][column], to["points"][column])
    assert (to["points"]["distance"] >= to["triangles"]["distance"] - 1e-6).all()


def test_frames_differ_by_what_they_say_and_by_nothing_else() -> None:
    """The same queries, moved; normals outward in each."""
    mesh = person()
    made = {name: prepared(mesh, UDF.override({"frame": name})) for name in ("as_given", "mean")}
    given, mean = (queries_of(one) for one in made.values())
    shift = np.asarray(made["mean"].shape["centre"])
    for column in ("points", "surface"):
        np.testing.assert_allclose(given[column], mean[column] + shift, atol=1e-5)
    for column in ("distance", "spread", "normals"):
        np.testing.assert_allclose(given[column], mean[column], atol=1e-5)
    cloud = made["as_given"].samples["cloud"][0]
    assert np.abs(cloud["points"] - PLACE).max() < 1.1


@pytest.mark.parametrize("name", FRAMES)
def test_scans_lie_where_their_clean_shape_does(name: FrameName) -> None:
    """However noisy they are, and though only one side was seen."""
    clean, noisy = vertices_of(scan_of(person(), 0.0), name), vertices_of(scan_of(person(), 0.02), name)
    np.testing.assert_array_equal(clean, noisy)
    np.testing.assert_array_equal(clean, vertices_of(person(), name))
    made = prepared(scan_of(person(), 0.0), UDF.override({"frame": name}))
    away = MeshDistance(person()).closest(
        made.samples["cloud"][0]["points"].astype(np.float64) * made.shape["scale"] + made.shape["centre"]
    )
    assert away.distance.max() < 1e-5


def test_units_of_the_file_are_kept_where_lengths_are() -> None:
    """In millimetres, thresholds of normals and directions are of the shape's size, not of a millimetre's."""
    mesh = person()
    large = mesh.with_vertices(1000 * mesh.vertices)
    settings = UDF.override({"frame": "mean", "udf.global_std": 0.2})
    metres = queries_of(prepared(mesh, settings))
    millimetres = queries_of(prepared(large, settings.override({"udf.global_std": 200.0})))
    np.testing.assert_allclose(millimetres["points"], 1000 * metres["points"], atol=1e-2)
    np.testing.assert_allclose(millimetres["distance"], 1000 * metres["distance"], atol=1e-2)
    far = metres["distance"] > 1e-3
    np.testing.assert_allclose(millimetres["direction"][far], metres["direction"][far], atol=2e-3)
    np.testing.assert_allclose(millimetres["normals"], metres["normals"], atol=1e-4)


def test_what_single_precision_would_lose_is_rejected() -> None:
    mesh = person()
    far = mesh.with_vertices(mesh.vertices + 1e6)
    with pytest.raises(ShapeRejected, match="another --frame, such as mean"):
        prepared(far, UDF.override({"frame": "as_given"}))
    prepared(far, UDF.override({"frame": "mean"}))


def test_a_folder_of_scans_is_prepared_as_published(tmp_path: Path) -> None:
    (tmp_path / "scans" / "person").mkdir(parents=True)
    points = person().vertices
    np.savetxt(tmp_path / "scans" / "person" / "a.xyz", points)
    source = build_source("cloud_folder", {"root": str(tmp_path / "scans"), "test_fraction": 0.0})
    settings = preset("sal", source.gives).override(FEW)
    assert prepare_locally(source, str(tmp_path / "store"), settings, isolate=False).prepared == 1
    store = Store.open(str(tmp_path / "store"))
    [row] = store.shapes().to_pylist()
    np.testing.assert_allclose(row["centre"], points.mean(axis=0), atol=1e-6)
    assert row["scale"] == 1.0
    assert store.views == ("udf", "cloud")


class Mirrored(Given):
    """Shapes that are built around a plane of their files."""

    def symmetry_plane(self, ref: ShapeRef) -> Plane:
        return (1.0, 0.0, 0.0, float(PLACE[0]))


@pytest.mark.parametrize(("name", "offset"), [("as_given", PLACE[0]), ("mean", 0.0)])
def test_mirror_planes_move_with_their_shapes(name: FrameName, offset: float) -> None:
    box = trimesh.creation.box((1, 2, 3))
    mesh = Mesh(np.asarray(box.vertices) + PLACE, np.asarray(box.faces))
    row = prepared(mesh, UDF.override({"frame": name}), Mirrored).shape
    assert row["symmetry_plane"] == pytest.approx([1.0, 0.0, 0.0, offset], abs=1e-9)
