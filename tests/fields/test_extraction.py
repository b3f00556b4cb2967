"""Extraction against analytic truth, against dense evaluation, and against an independent marching cubes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree
from solids import CHAIR, SOLIDS, as_trimesh, same_mesh, volume

from shapesys.errors import ShapesysError, UsageError
from shapesys.fields.analytic import Cuboid, Occupancy, Sphere, Torus, Union, WithAttribute
from shapesys.fields.extraction import ExtractionSettings, extract
from shapesys.fields.field import Box, Field, FieldTraits
from shapesys.geometry.mesh import Floats

DENSE = ExtractionSettings(method="dense")


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A field whose values are `factor` times a distance, plus `noise` where a cheap answer is allowed."""

    base: Field
    factor: float = 1.0
    noise: float = 0.0

    @property
    def traits(self) -> FieldTraits:
        return self.base.traits

    def values(self, points: Floats, precision: str = "float32") -> Floats:
        exact = self.base.values(points) * np.float32(self.factor)
        if precision == "float32":
            return exact
        return exact + np.float32(self.noise) * np.sin(1e4 * points.sum(axis=1))

    def attributes(self, points: Floats) -> dict[str, Floats]:
        return {}


def test_equals_dense_evaluation(solid: Field) -> None:
    fast, dense = extract(solid, 128), extract(solid, 128, DENSE)
    assert same_mesh(fast.mesh, dense.mesh)
    assert dense.report.points_evaluated == dense.report.dense_points == 129**3
    assert fast.report.points_evaluated == sum(level.points for level in fast.report.levels)
    assert fast.report.saving > 10


@pytest.mark.parametrize("resolution", [100, 67, 250])
def test_equals_dense_at_resolutions_that_do_not_halve_evenly(resolution: int) -> None:
    if resolution == 250:
        fast = extract(Torus(), 250)
        assert fast.report.saving > 30
    else:
        assert same_mesh(extract(Torus(), resolution).mesh, extract(Torus(), resolution, DENSE).mesh)


def test_equals_dense_in_a_box_that_is_not_a_cube() -> None:
    traits = FieldTraits(box=Box((-0.8, -0.9, -0.35), (0.75, 0.9, 0.4)))
    torus = Torus(traits=traits)
    fast, dense = extract(torus, 96), extract(torus, 96, DENSE)
    assert same_mesh(fast.mesh, dense.mesh)
    assert as_trimesh(fast.mesh).is_watertight


def test_closed_outward_and_of_the_right_topology(solid: Field) -> None:
    mesh = as_trimesh(extract(solid, 96).mesh)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert volume(extract(solid, 96).mesh) > 0


@pytest.mark.parametrize(("field", "euler"), [(Sphere(), 2), (Torus(), 0), (CHAIR, 2)])
def test_euler_number(field: Field, euler: int) -> None:
    assert as_trimesh(extract(field, 96).mesh).euler_number == euler


@pytest.mark.parametrize(
    ("field", "true_volume", "true_area"),
    [
        (Sphere(), 4 / 3 * np.pi * 0.5**3, 4 * np.pi * 0.5**2),
        (Torus(), 2 * np.pi**2 * 0.5 * 0.2**2, 4 * np.pi**2 * 0.5 * 0.2),
    ],
)
def test_error_falls_with_the_square_of_the_spacing(field: Field, true_volume: float, true_area: float) -> None:
    errors = []
    for resolution in (64, 128):
        mesh = extract(field, resolution).mesh
        distance = np.abs(field.values(mesh.vertices)).max()
        errors.append((abs(volume(mesh) - true_volume), abs(mesh.face_areas.sum() - true_area), distance))
    for coarse, fine in zip(*errors, strict=True):
        assert fine < 0.35 * coarse
    assert errors[1][0] < 2e-3 * true_volume


def test_cuboid_volume_and_area() -> None:
    mesh = extract(Cuboid((0.5, 0.3, 0.2)), 128).mesh
    assert volume(mesh) == pytest.approx(0.24, rel=0.01)
    assert mesh.face_areas.sum() == pytest.approx(2.48, rel=0.03)  # its edges come out chamfered


def test_fields_that_are_no_distance() -> None:
    occupancy = Occupancy(Torus())
    fast, dense = extract(occupancy, 128), extract(occupancy, 128, DENSE)
    assert same_mesh(fast.mesh, dense.mesh)
    assert volume(fast.mesh) == pytest.approx(2 * np.pi**2 * 0.5 * 0.2**2, rel=0.01)


def test_a_field_steeper_than_a_distance_loses_nothing() -> None:
    thin = Union(parts=(Torus(0.6, 0.03), Cuboid((0.6, 0.02, 0.02))))
    steep = Scaled(thin, factor=4.0)
    assert same_mesh(extract(steep, 128).mesh, extract(steep, 128, DENSE).mesh)


def test_cheap_pruning_gives_the_same_mesh() -> None:
    rough = Scaled(CHAIR, noise=3e-3)
    cheap = extract(rough, 128, ExtractionSettings(pruning_precision="bfloat16"))
    assert {level.precision for level in cheap.report.levels} == {"bfloat16", "float32"}
    assert same_mesh(cheap.mesh, extract(rough, 128, DENSE).mesh)


def test_following_recovers_what_pruning_lost() -> None:
    """With a useless tolerance only cells of mixed sign survive; the surface is still found whole."""
    rod = Cuboid((0.7, 0.02, 0.02), (0.0, 0.01, 0.013))
    blob = Union(parts=(rod, Sphere(0.2)))
    hasty = extract(blob, 128, ExtractionSettings(tolerance=1e-6))
    assert same_mesh(hasty.mesh, extract(blob, 128, DENSE).mesh)


def test_guarantee_and_its_limit() -> None:
    """A plate apart from everything is found in a distance field, whose coarse values tell that it is near; in an
    occupancy field no coarse node sees it, and it is lost while the dense lattice has it."""
    plate = Cuboid((0.25, 0.25, 0.012), (0.3, 0.3, 0.53))
    scene = Union(parts=(Sphere(0.4, (-0.4, -0.4, -0.2)), plate))
    assert same_mesh(extract(scene, 128).mesh, extract(scene, 128, DENSE).mesh)
    blind = Occupancy(scene, width=1e-3)
    found, whole = extract(blind, 128).mesh, extract(blind, 128, DENSE).mesh
    assert as_trimesh(found).body_count == 1
    assert as_trimesh(whole).body_count == 2
    assert found.vertices[:, 2].max() < 0.3 < 0.5 < whole.vertices[:, 2].max()


def test_a_clamped_field_starts_fine_enough() -> None:
    @dataclasses.dataclass(frozen=True)
    class Clamped(Sphere):
        def values(self, points: Floats, precision: str = "float32") -> Floats:
            return np.clip(super().values(points), -0.05, 0.05)

    clamped = Clamped(traits=FieldTraits(clamp=0.05))
    fast = extract(clamped, 128)
    assert fast.report.levels[0].resolution == 64
    assert same_mesh(fast.mesh, extract(clamped, 128, DENSE).mesh)


def test_attributes_at_the_vertices() -> None:
    coloured = WithAttribute(Torus(), "height", lambda points: points[:, 2])
    mesh = extract(coloured, 64).mesh
    np.testing.assert_allclose(mesh.attributes["height"], mesh.vertices[:, 2], atol=1e-6)


def test_joint_fields_are_asked_once_and_interpolated() -> None:
    @dataclasses.dataclass(frozen=True)
    class Joint(WithAttribute):
        def values_and_attributes(self, points: Floats) -> tuple[Floats, dict[str, Floats]]:
            return self.values(points), dict(super().attributes(points))

        def attributes(self, points: Floats) -> dict[str, Floats]:
            raise AssertionError("asked twice")

    joint = Joint(Torus(), "height", lambda points: points[:, 2])
    for settings in (ExtractionSettings(), DENSE, ExtractionSettings(pruning_precision="bfloat16")):
        mesh = extract(joint, 64, settings).mesh
        np.testing.assert_allclose(mesh.attributes["height"], mesh.vertices[:, 2], atol=1e-6)
    with pytest.raises(AssertionError, match="twice"):
        extract(joint, 64, ExtractionSettings(attributes_at="vertices"))


def test_surface_cut_by_the_box_is_reported_and_can_be_closed() -> None:
    ball = Sphere(0.6, (0.7, 0.0, 0.0))
    open_ = extract(ball, 64)
    assert open_.report.cut is not None
    assert "+x" in open_.report.cut
    assert "-x" not in open_.report.cut
    assert "--close-at-box" in open_.report.cut
    assert not as_trimesh(open_.mesh).is_watertight
    closed = extract(ball, 64, ExtractionSettings(close_at_box=True))
    assert closed.report.cut is None
    assert as_trimesh(closed.mesh).is_watertight
    assert closed.mesh.vertices[:, 0].max() == pytest.approx(1.0, abs=1e-5)
    cap = np.pi * 0.3**2 / 3 * (3 * 0.6 - 0.3)
    assert volume(closed.mesh) == pytest.approx(4 / 3 * np.pi * 0.6**3 - cap, rel=5e-3)
    for resolution in (64, 67):  # the coarse lattice of the second reaches beyond the box
        dense = extract(ball, resolution, ExtractionSettings(method="dense", close_at_box=True))
        assert same_mesh(extract(ball, resolution, ExtractionSettings(close_at_box=True)).mesh, dense.mesh)


@pytest.mark.parametrize("method", ["coarse-to-fine", "dense"])
def test_an_empty_field_says_why(method: str) -> None:
    result = extract(Sphere(0.3, (3.0, 0.0, 0.0)), 64, ExtractionSettings(method=method))
    assert result.mesh.is_empty
    assert result.report.empty is not None
    for fact in ("1.7", "level 0", "resolution 64", "(-1.0, -1.0, -1.0)"):
        assert fact in result.report.empty
    assert "\n" not in result.report.empty


def test_memory_is_refused_before_the_work() -> None:
    with pytest.raises(ShapesysError, match=r"GiB.*memory_limit_gib"):
        extract(Sphere(), 256, ExtractionSettings(memory_limit_gib=0.01))
    with pytest.raises(ShapesysError, match="GiB"):
        extract(Sphere(), 256, ExtractionSettings(method="dense", memory_limit_gib=0.001))


def test_a_diverged_field_is_named() -> None:
    with pytest.raises(ShapesysError, match="not finite"):
        extract(Scaled(Sphere(), factor=float("nan")), 32)


@pytest.mark.parametrize(
    ("resolution", "options", "message"),
    [
        (1, {}, "resolution"),
        (64, {"method": "dens"}, "did you mean dense"),
        (64, {"pruning_precision": "bfloat"}, "did you mean bfloat16"),
        (64, {"tolerance": 0.0}, "tolerance"),
        (64, {"start": 1}, "start"),
    ],
)
def test_misuse_is_named(resolution: int, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        extract(Sphere(), resolution, ExtractionSettings(**options))


def test_pymcubes_gives_the_same_surface() -> None:
    pytest.importorskip("mcubes")
    solid = SOLIDS["two apart"]
    theirs = extract(solid, 64, ExtractionSettings(method="dense-pymcubes")).mesh
    ours = extract(solid, 64).mesh
    assert len(theirs.vertices) == len(ours.vertices)
    assert volume(theirs) == pytest.approx(volume(ours), rel=1e-4)
    gap, _ = cKDTree(ours.vertices).query(theirs.vertices)
    assert gap.max() < 1e-5


def test_repeats_to_the_bit() -> None:
    assert same_mesh(extract(CHAIR, 100).mesh, extract(CHAIR, 100).mesh)
