"""Surfaces against scans: one direction at a time, with or without a surface that is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.distance import cdist

from shapesys.errors import UsageError
from shapesys.geometry.mesh import Mesh
from shapesys.geometry.normalise import Normalisation, unit_sphere_of_points
from shapesys.geometry.surface import sample_surface
from shapesys.metrics.conventions import CONVENTIONS, convention, register
from shapesys.metrics.pair import expected_floor
from shapesys.metrics.surface import ScanPoints, SurfaceSettings, Threshold, surface_metrics

FOUR = ("sald.recon_to_truth", "sald.truth_to_recon", "sald.recon_to_scan", "sald.scan_to_recon")


def sphere(radius: float = 1.0) -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces))


def cap(radius: float = 1.0, count: int = 3000, above: float = -1.0) -> ScanPoints:
    """Points of a sphere above a height, in no order."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(8 * count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return ScanPoints((radius * points[points[:, 2] > above][:count]).astype(np.float32), "a scanner")


def scores(prediction: Mesh, truth: Mesh | None, scan: ScanPoints | None, **changes: object) -> dict[str, float]:
    settings = SurfaceSettings(**{"samples": 6000} | changes)  # type: ignore[arg-type]
    return surface_metrics(prediction, truth, settings, scan=scan).values


def test_the_four_numbers_of_sald_are_four_different_ones() -> None:
    """The truth has a gap of 0.1 to the reconstruction, the scan one of 0.2 and a hole over its lower half."""
    found = scores(sphere(1.1), sphere(1.0), cap(1.3, 30_000, above=0.0), conventions=FOUR)
    one, two, three, four = (found[f"chamfer/{name}"] for name in FOUR)
    assert one == pytest.approx(0.1, rel=0.1)
    assert two == pytest.approx(0.1, rel=0.1)
    assert four == pytest.approx(0.2, rel=0.03), "what was seen is covered"
    # From p at height z < 0 of radius r, the nearest point of the hemisphere is on its rim of radius R:
    # sqrt((R - sqrt(r^2 - z^2))^2 + z^2), with z uniform on a sphere.
    z = np.linspace(0, 1.1, 4001)
    lower = np.sqrt((1.3 - np.sqrt(np.maximum(1.1**2 - z**2, 0))) ** 2 + z**2).mean()
    assert three == pytest.approx(0.5 * (0.2 + lower), rel=0.03)


def test_of_a_bare_scan_there_are_scores_against_it_and_no_others() -> None:
    found = surface_metrics(sphere(1.1), None, SurfaceSettings(samples=6000), scan=cap(1.3))
    assert [record.name for record in found.records] == [
        "chamfer/sald.recon_to_scan", "chamfer/sald.scan_to_recon",
        "hausdorff/unit_sphere.recon_to_scan", "hausdorff/unit_sphere.scan_to_recon",
    ]  # fmt: skip
    assert found.status == "ok"
    assert all(math.isfinite(value) for value in found.values.values()), "and no floors that nobody can know"
    assert found.values["chamfer/sald.scan_to_recon"] == pytest.approx(0.2, rel=0.02)


def test_named_conventions_join_those_of_bare_scans_once() -> None:
    names = ("sal", "sal.to_scan", "sald.recon_to_scan")
    found = scores(sphere(1.1), None, cap(1.3), conventions=names)
    chamfers = [name for name in found if name.startswith("chamfer/")]
    assert chamfers == ["chamfer/sal.to_scan", "chamfer/sald.recon_to_scan", "chamfer/sald.scan_to_recon"]
    unscanned = scores(sphere(1.1), sphere(), None, conventions=names)
    assert [name for name in unscanned if name.startswith("chamfer/")] == ["chamfer/sal", "chamfer/sal/floor"]
    assert not any("scan" in name for name in unscanned)


def test_distances_to_a_scan_equal_brute_force() -> None:
    scan, mesh = cap(1.2, 500), sphere(1.0)
    settings = SurfaceSettings(("sal.to_scan", "sald.scan_to_recon"), samples=700)
    found = surface_metrics(mesh, None, settings, scan=scan).values
    seed = int(np.random.SeedSequence(0).generate_state(1)[0])
    distances = cdist(sample_surface(mesh, 700, seed, stratified=False).points, scan.points)
    unit = unit_sphere_of_points(scan.points).scale
    assert found["chamfer/sal.to_scan"] == pytest.approx(np.square(distances.min(axis=1)).mean(), rel=1e-5)
    assert found["chamfer/sald.scan_to_recon"] == pytest.approx(distances.min(axis=0).mean(), rel=1e-5)
    worst = distances.min(axis=1).max(), distances.min(axis=0).max()
    assert found["hausdorff/unit_sphere.recon_to_scan"] == pytest.approx(worst[0] / unit, rel=1e-5)
    assert found["hausdorff/unit_sphere.scan_to_recon"] == pytest.approx(worst[1] / unit, rel=1e-5)


def test_a_sheet_over_what_was_not_seen_shows_in_one_direction_only() -> None:
    full = scores(sphere(), None, cap(above=0.0), hausdorff_frames=("object",))
    assert full["chamfer/sald.scan_to_recon"] == pytest.approx(expected_floor(4 * math.pi, 6000), rel=0.05)
    assert full["hausdorff/object.scan_to_recon"] < 0.1
    # The south pole is a quarter turn from the rim: sqrt(2) across.
    assert full["hausdorff/object.recon_to_scan"] == pytest.approx(math.sqrt(2), rel=0.02)


def test_the_floor_of_a_scan_is_what_the_truth_scores() -> None:
    noisy = cap(1.05)
    found = scores(sphere(1.2), sphere(1.0), noisy, conventions=("sald.scan_to_recon", "sald.recon_to_scan"))
    perfect = scores(sphere(1.0), sphere(1.0), noisy, conventions=("sald.scan_to_recon",))
    # A neighbour sits beside the foot point: mean square offset 1 / (pi density), on the sphere between.
    floor = math.sqrt(0.05**2 + 1.05 * 4 * math.pi / (math.pi * 6000))
    assert found["chamfer/sald.scan_to_recon/floor"] == pytest.approx(floor, rel=0.02)
    assert found["chamfer/sald.scan_to_recon"] == pytest.approx(0.15, rel=0.05)
    assert perfect["chamfer/sald.scan_to_recon"] == pytest.approx(perfect["chamfer/sald.scan_to_recon/floor"], rel=0.01)


def test_digs_prints_the_largest_distance_beside_the_mean() -> None:
    names = ("digs.srb", "digs.srb.scan_to_recon")
    frame = Normalisation((0.0, 0.0, 0.0), 3.0)
    settings = SurfaceSettings(names, samples=6000)
    found = surface_metrics(sphere(1.1), sphere(1.0), settings, frame, cap(1.3, above=0.0)).values
    assert found["chamfer/digs.srb"] == pytest.approx(3 * 0.1, rel=0.1), "in the file's unit"
    assert found["chamfer/digs.srb.scan_to_recon"] == pytest.approx(3 * 0.2, rel=0.03)
    assert found["hausdorff/digs.srb"] == pytest.approx(found["hausdorff/unit_sphere"] * 1.03 * 3, rel=1e-3)
    one_way = found["hausdorff/unit_sphere.scan_to_recon"] * 1.03 * 3
    assert found["hausdorff/digs.srb.scan_to_recon"] == pytest.approx(one_way, rel=1e-3)
    assert found["hausdorff/digs.srb.scan_to_recon"] < 3 * 0.25 < found["hausdorff/unit_sphere.recon_to_scan"] * 3.09


def test_counts_are_those_of_the_evaluators_as_far_as_the_scan_goes() -> None:
    settings = SurfaceSettings()
    counts = {name: settings.counts(convention(name)) for name in (*FOUR, "sal.to_scan", "digs.shapenet")}
    assert counts == {
        "sald.recon_to_truth": (30_000, 30_000), "sald.truth_to_recon": (30_000, 30_000),
        "sald.recon_to_scan": (30_000, 29_929), "sald.scan_to_recon": (30_000, 29_929),
        "sal.to_scan": (30_000, 16_384), "digs.shapenet": (30_000, 100_000),
    }  # fmt: skip
    assert settings.counts(convention("digs.srb.scan_to_recon")) == (1_000_000, 0)
    few = SurfaceSettings(("sal.to_scan",), samples=200, floor=False)
    for points, expected in ((150, 150), (1000, 200)):
        record = surface_metrics(sphere(), None, few, scan=cap(count=points)).records[0]
        assert (record.count_predicted, record.count_true) == (200, expected)


def test_a_record_names_the_scan() -> None:
    settings = SurfaceSettings(("onet.chamfer_l1", "sal.to_scan"), samples=300)
    records = {r.name: r for r in surface_metrics(sphere(1.1), sphere(), settings, scan=cap()).records}
    stated = records["chamfer/sal.to_scan"].definition
    assert (stated["against"], stated["scan"], stated["combine"]) == ("scan", "a scanner", "accuracy")
    assert records["hausdorff/unit_sphere.scan_to_recon"].definition["scan"] == "a scanner"
    assert records["hausdorff/unit_sphere.scan_to_recon"].definition["combine"] == "completeness"
    assert "scan" not in records["chamfer/onet.chamfer_l1"].definition
    assert records["hausdorff/unit_sphere"].definition["combine"] == "max of both directions"


def test_a_bare_scan_gives_the_units_of_length() -> None:
    small = scores(sphere(1.1), None, cap(1.0), hausdorff_frames=("unit_cube", "unit_sphere", "object"))
    names = [f"hausdorff/{frame}.scan_to_recon" for frame in ("unit_cube", "unit_sphere", "object")]
    cube, ball, own = (small[name] for name in names)
    assert own == pytest.approx(cube * 2.0, rel=0.01)
    assert own == pytest.approx(ball * 1.03, rel=0.01)


def test_an_empty_reconstruction_of_a_bare_scan_has_no_score() -> None:
    empty = Mesh(np.zeros((2, 3), np.float32), np.zeros((0, 3), int))
    found = surface_metrics(empty, None, SurfaceSettings(samples=50), scan=cap(count=60))
    assert found.status == "empty"
    assert all(math.isnan(value) for value in found.values.values())


def test_spurious_and_missing_area_follow_from_thresholds() -> None:
    """Half a sphere is missing, and a sheet of as much area lies a radius above."""
    ball = sphere()
    upper = ball.faces[ball.triangles[:, :, 2].mean(axis=1) > 0]
    half = Mesh(ball.vertices, upper)
    side = math.sqrt(2 * math.pi) / 2
    corners = np.array([[-side, -side, 2], [side, -side, 2], [side, side, 2], [-side, side, 2]], np.float32)
    sheet = np.array([[0, 1, 2], [0, 2, 3]]) + len(half.vertices)
    both = Mesh(np.concatenate([half.vertices, corners]), np.concatenate([upper, sheet]))
    found = scores(both, ball, None, samples=20_000, thresholds=(Threshold(0.1, frame="unit_sphere"),))
    excess, missing = (1 - found[f"{name}/le0.1:unit_sphere"] for name in ("precision", "recall"))
    assert excess == pytest.approx(0.5, abs=0.02)
    # Within 0.103 of the rim is a band of that height: 0.05 of the sphere's area.
    assert missing == pytest.approx(0.5 - 0.103 / 2, abs=0.02)


def test_misuse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shapesys.metrics.conventions.CONVENTIONS", dict(CONVENTIONS))
    with pytest.raises(ValueError, match="neither the true surface nor a scan"):
        surface_metrics(sphere(), None, SurfaceSettings(samples=10))
    with pytest.raises(UsageError, match="did you mean scan"):
        register(replace(convention("sal"), name="mine", against="scans"))  # type: ignore[arg-type]
