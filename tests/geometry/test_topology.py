"""Patches, orientation, closedness, lids and visibility on shapes whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from damage import blob, box, double_sided, flipped, joined, sheet, some_faces_flipped, unwelded, where_centres

from shapesys.geometry.mesh import Mesh
from shapesys.geometry.openings import find_lids, triangle_areas
from shapesys.geometry.solid import find_solid
from shapesys.geometry.topology import find_patches, first_of_each, is_proper, weld


def corners_of(mesh: Mesh) -> np.ndarray:
    return weld(mesh.vertices, mesh.faces)


def nothing_escapes(origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    del directions
    return np.zeros(len(origins), dtype=bool)


def test_weld_joins_equal_positions_and_only_those() -> None:
    ball = blob(2)
    soup = unwelded(ball)
    corners = corners_of(soup)
    assert len(np.unique(corners)) == len(ball.vertices)
    assert len(np.unique(corners_of(unwelded(ball, jitter=1e-4)))) == len(soup.vertices)


def test_weld_takes_minus_zero_for_zero() -> None:
    corners = weld(np.array([[0.0, 1, 2], [-0.0, 1, 2]]), np.array([[0, 1, 0]]))
    assert len(np.unique(corners)) == 1


def test_a_closed_surface_is_one_closed_patch() -> None:
    patches = find_patches(corners_of(blob(3)))
    assert patches.count == 1
    assert patches.closed.all()
    assert not patches.flip.any()


def test_flipped_faces_are_found_up_to_the_patch() -> None:
    mesh = blob(3)
    chosen = np.random.default_rng(0).random(len(mesh.faces)) < 0.4
    patches = find_patches(corners_of(flipped(mesh, chosen)))
    assert patches.closed.all()
    agrees = (patches.flip == chosen).mean()
    assert agrees in (0.0, 1.0)


def test_touching_boxes_stay_two_closed_patches() -> None:
    pair = joined([box((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), flipped(box((1.0, 1.0, 1.0), (1.0, 1.0, 0.0)))])
    patches = find_patches(corners_of(pair))
    assert patches.count == 2
    assert patches.closed.all()


def test_a_moebius_strip_is_not_orientable() -> None:
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    rim = [
        np.stack([(1 + side * np.cos(angle / 2)) * np.cos(angle), (1 + side * np.cos(angle / 2)) * np.sin(angle),
                  side * np.sin(angle / 2)], axis=1)
        for side in (-0.3, 0.3)
    ]  # fmt: skip
    low, high = np.arange(24), np.arange(24) + 24
    low_next = np.append(low[1:], high[0])
    high_next = np.append(high[1:], low[0])
    faces = np.concatenate([np.stack([low, low_next, high_next], 1), np.stack([low, high_next, high], 1)])
    patches = find_patches(weld(np.concatenate(rim), faces))
    assert patches.orientable.tolist() == [False]
    assert patches.closed.tolist() == [False]


def test_degenerate_and_doubled_faces_are_recognised() -> None:
    corners = np.array([[0, 1, 2], [2, 1, 0], [1, 2, 3], [3, 3, 1], [2, 0, 1]])
    assert is_proper(corners).tolist() == [True, True, True, False, True]
    assert first_of_each(corners).tolist() == [True, False, True, True, False]


def test_the_lid_of_an_open_box_is_its_missing_side() -> None:
    whole = box((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    open_box = where_centres(whole, lambda centre: centre[:, 2] < 0.5 - 1e-6)
    lids = find_lids(open_box.triangles.astype(np.float64), corners_of(open_box))
    assert triangle_areas(lids).sum() == pytest.approx(1.0)
    closed = Mesh(
        np.concatenate([open_box.triangles.reshape(-1, 3), lids.reshape(-1, 3)]),
        np.arange(3 * (len(open_box.faces) + len(lids))).reshape(-1, 3),
    )
    volume = trimesh.Trimesh(closed.vertices, closed.faces, process=False).volume
    assert volume == pytest.approx(1.0)


def test_flat_sheets_and_closed_surfaces_get_no_lid() -> None:
    flat = sheet([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0)])
    for mesh in (flat, blob(2)):
        assert len(find_lids(mesh.triangles.astype(np.float64), corners_of(mesh))) == 0


def test_closed_patches_are_settled_without_rays() -> None:
    for mesh in (blob(3), flipped(blob(3)), some_faces_flipped(blob(3), 0.4), double_sided(blob(3))):
        solid = find_solid(mesh.vertices, mesh.faces, nothing_escapes, seed=0)
        assert solid.is_closed
        kept = solid.orientation != 0
        oriented = np.where((solid.orientation == -1)[:, None], mesh.faces[:, ::-1], mesh.faces)[kept]
        assert trimesh.Trimesh(mesh.vertices, oriented, process=False).volume > 0
        assert trimesh.Trimesh(mesh.vertices, oriented, process=False).is_winding_consistent


def test_open_patches_no_ray_reaches_are_dropped() -> None:
    wall = sheet([(0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (0.1, 0.1, 0.0), (0.0, 0.1, 0.0)])
    mesh = joined([blob(2), wall])
    solid = find_solid(mesh.vertices, mesh.faces, nothing_escapes, seed=0)
    assert solid.hidden.sum() == len(wall.faces)
    assert not solid.is_closed
    assert (solid.orientation != 0).sum() == len(mesh.faces) - len(wall.faces)
